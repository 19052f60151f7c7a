#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/inner.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"inner", ParamKind::choice, 0, 0, std::string("snapkv"), "the policy that scores",
     "random|h2o|scissorhands|tova|snapkv|cake|knorm|keydiff|lagkv|expected_attention|defensivekv"},
    {"chunk", ParamKind::integer, 1, 65536, 20.0, "tokens that stay or go together"},
};

Protected protect(const Params& params, int budget, int tokens) {
  return inner_protected(chunkkv_policy(), params, budget, tokens);
}

// Every token gets the mean of its chunk, so that whole chunks come one after another; what the
// budget cuts off the last one are its later tokens. A protected token counts as the best one plus
// 1: a chunk that must stay in part stays first.
at::Tensor score(const LayerView& view, const Params& params) {
  const int n = view.tokens(), chunk = integer_param(params, kParams, "chunk");
  at::Tensor inner = inner_scores(chunkkv_policy(), view, params).clone();
  const SelectShape guard = fit_protected(
      keep_shape(chunkkv_policy(), {.budget = view.budget(), .params = params}, 1, n));
  const int last = n - guard.recent;
  if (guard.sink < last) {
    const double forced = inner.narrow(1, guard.sink, last - guard.sink).max().item<double>() + 1;
    inner.narrow(1, 0, guard.sink).fill_(forced);
    inner.narrow(1, last, guard.recent).fill_(forced);
  }
  const at::Tensor sums = inner.sum(0);
  at::Tensor scores = at::empty({n}, at::kFloat);
  for (int first = 0; first < n; first += chunk) {
    const int size = std::min(chunk, n - first);
    scores.narrow(0, first, size).copy_(sums.narrow(0, first, size).mean());
  }
  return scores;
}

}  // namespace

const Policy& chunkkv_policy() {
  static const Policy row = {
      .id = "chunkkv",
      .code = "CH",
      .summary = "keeps whole chunks of neighbouring tokens by their mean score",
      .paper = "arXiv 2502.00299",
      .params = kParams,
      .needs = kNeedsNothing,
      .phases = kPrefill,
      .sharing = Sharing::layer,
      .reads_queries = true,
      .protect = protect,
      .score = score,
      .scores_follow_budget = true};
  return row;
}

}  // namespace polykv
