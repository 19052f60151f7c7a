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

Kept keep_rows(const Policy& policy, const LayerChoice& choice, const LayerScores& scores,
               int kv_heads, std::span<const std::span<const std::int32_t>> held) {
  Kept kept;
  if (!choice.budget || *choice.budget >= scores.tokens) return kept;
  SelectShape shape = keep_shape(policy, choice, scores.rows, scores.tokens);
  std::vector<int> counts(static_cast<std::size_t>(kv_heads), kept_count(shape));
  if (policy.split) counts = policy.split({scores, shape, kv_heads}, choice.params);
  shape.rows = 1;
  const int sinks = shape.sink;
  std::vector<std::int32_t> row;
  for (int head = 0; head < kv_heads; ++head) {
    bool shared = scores.rows == 1 && head > 0 && counts[head] == counts[head - 1];
    if (!held.empty()) {
      shape.sink = static_cast<int>(std::lower_bound(held[head].begin(), held[head].end(), sinks) -
                                    held[head].begin());
      shared = false;
    }
    if (!shared) {  // one index set shared by the layer is selected once
      shape.budget = counts[head];
      row.resize(static_cast<std::size_t>(kept_count(shape)));
      const std::size_t first = scores.rows == 1 ? 0 : static_cast<std::size_t>(head);
      select_cpu(scores.scores.data() + first * static_cast<std::size_t>(scores.tokens), shape,
                 row.data());
    }
    kept.add_head(row);
  }
  return kept;
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
