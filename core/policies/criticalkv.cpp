#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/cache/layer_view.h"
#include "core/policies/inner.h"
#include "core/policies/pooling.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"inner", ParamKind::choice, 0, 0, std::string("snapkv"),
     "the policy that scores; its scores are weighted, so none below 0",
     "h2o|scissorhands|tova|snapkv|cake|lagkv|expected_attention|kvzip"},
    {"eps", ParamKind::number, 0, 1, 1e-4, "added to a score before it is weighted"},
    {"first", ParamKind::number, 0, 1, 0.5, "share of the budget that the scores alone decide"},
};

Protected protect(const Params& params, int budget, int tokens) {
  return inner_protected(criticalkv_policy(), params, budget, tokens);
}

// Stage one takes the best by the inner scores until its share of the budget, protected tokens
// included, is spent; they get the largest float. Stage two weights by what a value can change in
// the layer's output.
at::Tensor score(const LayerView& view, const Params& params) {
  const int n = view.tokens();
  const at::Tensor inner = inner_scores(criticalkv_policy(), view, params);
  const SelectShape guard = fit_protected(
      keep_shape(criticalkv_policy(), {.budget = view.budget(), .params = params}, 1, n));
  at::Tensor scores =
      (inner + number_param(params, kParams, "eps")) * group_mean(view, view.output_norms());
  const int spent = static_cast<int>(
      std::floor(number_param(params, kParams, "first") * kept_count(guard) + 1e-9));
  const int candidates = n - guard.sink - guard.recent;
  const int picks = std::clamp(spent - guard.sink - guard.recent, 0, candidates);
  if (picks > 0) {
    const at::Tensor order = inner.narrow(1, guard.sink, candidates)
                                 .argsort(/*stable=*/true, -1, /*descending=*/true)
                                 .narrow(1, 0, picks);
    scores.scatter_(1, order + guard.sink, std::numeric_limits<float>::max());
  }
  return scores;
}

}  // namespace

const Policy& criticalkv_policy() {
  static const Policy row = {
      .id = "criticalkv",
      .code = "CR",
      .summary = "half by the inner scores, half by scores times the norm of the projected value",
      .paper = "arXiv 2502.03805",
      .params = kParams,
      .needs = kNeedsValues | kNeedsOutput,
      .phases = kPrefill,
      .sharing = Sharing::per_kv_head,
      .reads_queries = true,
      .protect = protect,
      .score = score,
      .scores_follow_budget = true};
  return row;
}

}  // namespace polykv
