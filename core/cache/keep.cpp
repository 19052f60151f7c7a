#include "core/cache/keep.h"

#include "core/error.h"
#include "kernels/compact.h"
#include "kernels/select.h"

namespace polykv {

at::Tensor policy_scores(const Policy& policy, const LayerView& view, const Params& params) {
  at::Tensor scores = policy.score(view, params).to(at::kFloat);
  if (scores.dim() == 1) scores = scores.unsqueeze(0);
  scores = scores.contiguous();
  if (at::isnan(scores).any().item<bool>()) {
    throw Error(ErrorKind::failed, "layer " + std::to_string(view.layer()) + ": the scores of " +
                                       policy.id + " are not numbers; are keys or weights NaN?");
  }
  return scores;
}

std::vector<std::int32_t> keep_rows(const Policy& policy, const LayerChoice& choice,
                                    const float* scores, int rows, int tokens, int kv_heads) {
  if (!choice.budget || *choice.budget >= tokens) return {};
  const SelectShape shape = keep_shape(policy, choice, rows, tokens);
  const int count = kept_count(shape);
  std::vector<std::int32_t> kept(static_cast<std::size_t>(kv_heads) * count);
  select_cpu(scores, shape, kept.data());
  for (int row = rows; row < kv_heads; ++row) {  // one index set shared by the layer
    std::copy_n(kept.begin(), count, kept.begin() + static_cast<std::ptrdiff_t>(row) * count);
  }
  return kept;
}

std::vector<std::int32_t> window_rows(int window, int tokens, int kv_heads) {
  if (window >= tokens) return {};
  std::vector<std::int32_t> kept;
  for (int head = 0; head < kv_heads; ++head) {
    for (int i = tokens - window; i < tokens; ++i) kept.push_back(i);
  }
  return kept;
}

void gather_rows(const at::Tensor& source, int tokens, const std::vector<std::int32_t>& kept,
                 at::Tensor& out) {
  const int heads = static_cast<int>(source.size(0));
  if (kept.empty()) {
    out.narrow(1, 0, tokens).copy_(source.narrow(1, 0, tokens));
    return;
  }
  const at::Tensor rows = source.contiguous();
  const CompactShape shape{.rows = heads,
                           .tokens = static_cast<int>(rows.size(1)),
                           .kept = static_cast<int>(kept.size()) / heads,
                           .dim = static_cast<int>(rows.size(2)),
                           .out_stride = static_cast<int>(out.size(1))};
  compact_cpu(rows.data_ptr<float>(), kept.data(), shape, out.data_ptr<float>());
}

}  // namespace polykv
