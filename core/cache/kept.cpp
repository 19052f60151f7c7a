#include "core/cache/kept.h"

#include <algorithm>
#include <numeric>

#include "core/policies/policy.h"
#include "kernels/select.h"

namespace polykv {

void Kept::add_head(std::span<const std::int32_t> ascending) {
  if (offsets.empty()) offsets.push_back(0);
  positions.insert(positions.end(), ascending.begin(), ascending.end());
  offsets.push_back(static_cast<int>(positions.size()));
}

namespace {

Kept keep_heads(const Policy& policy, const LayerChoice& choice, const SplitInput& in,
                std::span<const std::span<const std::int32_t>> held) {
  Kept kept;
  SelectShape shape = in.shape;
  std::vector<int> counts(in.scores.size(), kept_count(shape));
  if (policy.split) counts = policy.split(in, choice.params);
  shape.rows = 1;
  const int sinks = shape.sink;
  std::vector<std::int32_t> row;
  for (std::size_t head = 0; head < in.scores.size(); ++head) {
    const std::span<const float> scores = in.scores[head];
    bool shared =
        head > 0 && scores.data() == in.scores[head - 1].data() && counts[head] == counts[head - 1];
    if (!held.empty()) {
      shape.sink = static_cast<int>(std::lower_bound(held[head].begin(), held[head].end(), sinks) -
                                    held[head].begin());
      shared = false;
    }
    if (!shared) {  // one index set shared by the layer is selected once
      shape.tokens = static_cast<int>(scores.size());
      shape.budget = counts[head];
      row.resize(static_cast<std::size_t>(kept_count(shape)));
      select_cpu(scores.data(), shape, row.data());
    }
    kept.add_head(row);
  }
  return kept;
}

}  // namespace

Kept keep_rows(const Policy& policy, const LayerChoice& choice, const LayerScores& scores,
               int kv_heads, std::span<const std::span<const std::int32_t>> held) {
  if (!choice.budget || *choice.budget >= scores.tokens) return {};
  SplitInput in{{}, scores.head_weights, keep_shape(policy, choice, scores.rows, scores.tokens)};
  const auto tokens = static_cast<std::size_t>(scores.tokens);
  for (int head = 0; head < kv_heads; ++head) {
    const std::size_t row = scores.rows == 1 ? 0 : static_cast<std::size_t>(head);
    in.scores.emplace_back(scores.scores.data() + row * tokens, tokens);
  }
  return keep_heads(policy, choice, in, held);
}

Kept keep_ragged(const Policy& policy, const LayerChoice& choice,
                 std::span<const LayerScores> heads,
                 std::span<const std::span<const std::int32_t>> held) {
  std::vector<float> weights;
  int longest = 0;
  SplitInput in;
  for (const LayerScores& head : heads) {
    in.scores.emplace_back(head.scores);
    weights.insert(weights.end(), head.head_weights.begin(), head.head_weights.end());
    longest = std::max(longest, head.tokens);
  }
  in.head_weights = weights;
  in.shape = keep_shape(policy, choice, static_cast<int>(heads.size()), longest);
  return keep_heads(policy, choice, in, held);
}

Kept window_rows(int window, int tokens, int kv_heads) {
  Kept kept;
  if (window >= tokens) return kept;
  std::vector<std::int32_t> row(static_cast<std::size_t>(window));
  std::iota(row.begin(), row.end(), tokens - window);
  for (int head = 0; head < kv_heads; ++head) kept.add_head(row);
  return kept;
}

}  // namespace polykv
