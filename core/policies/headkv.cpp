#include <ATen/ATen.h>

#include <numeric>

#include "core/budgets/rounding.h"
#include "core/cache/layer_view.h"
#include "core/error.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"beta", ParamKind::number, 1, 1000, 1.2,
     "heads pool 1/beta of their budget and share it by their scores"},
};

Protected protect(const Params&, int budget, int tokens) {
  return snapkv_policy().protect({}, budget, tokens);
}

at::Tensor score(const LayerView& view, const Params&) {
  if (view.head_scores().empty()) {
    fail_input("plan", "layer " + std::to_string(view.layer()),
               "headkv shares by head scores; expected a head list with scores");
  }
  return snapkv_policy().score(view, {});
}

// round(S_h * pool + floor) beside the protected tokens, S_h a kv head's share of the layer's
// scores; rounded so that the sum is exact.
std::vector<int> split(const SplitInput& in, const Params& params) {
  const SelectShape shape = fit_protected(in.shape);
  const int fixed = shape.sink + shape.recent, even = kept_count(shape) - fixed;
  const int heads = static_cast<int>(in.scores.size());
  const std::span<const float> weights = in.head_weights;
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const double pooled = even / number_param(params, kParams, "beta");
  std::vector<double> shares;
  for (int h = 0; h < heads; ++h) {
    const double share = sum > 0 ? weights[h] / sum : 1.0 / heads;
    shares.push_back(share * pooled * heads + even - pooled);
  }
  const Bounds bounds{std::vector<int>(shares.size(), 0),
                      std::vector<int>(shares.size(), shape.tokens - fixed)};
  std::vector<int> counts = round_within(shares, heads * even, bounds);
  for (int& count : counts) count += fixed;
  return counts;
}

}  // namespace

const Policy& headkv_policy() {
  static const Policy row = {
      .id = "headkv",
      .code = "HE",
      .summary = "scores as snapkv; kv heads with better retrieval scores keep more",
      .paper = "arXiv 2410.19258",
      .params = kParams,
      .needs = kNeedsWindow | kNeedsKeys | kNeedsHeads,
      .phases = kPrefill,
      .sharing = Sharing::ragged,
      .reads_queries = true,
      .protect = protect,
      .score = score,
      .split = split};
  return row;
}

}  // namespace polykv
