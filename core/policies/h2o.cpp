#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/pooling.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"recent", ParamKind::integer, -1, 65536, -1.0,
     "last tokens that are always kept; -1 = half of the budget"},
    {"normalise", ParamKind::flag, 0, 1, false,
     "divide each sum by the number of queries that can see the token"},
};

Protected protect(const Params& params, int budget, int) {
  const int recent = integer_param(params, kParams, "recent");
  return {0, recent < 0 ? budget / 2 : recent};
}

at::Tensor score(const LayerView& view, const Params& params) {
  const at::Tensor sums = view.attention_totals();
  at::Tensor scores = group_mean(view, sums);
  if (flag_param(params, kParams, "normalise")) {
    // A token is seen by the query of its own position and all later ones, up to the newest token.
    const at::Tensor positions = view.positions();
    scores = scores / (positions.max() + 1 - positions).to(at::kFloat);
  }
  return scores;
}

}  // namespace

const Policy& h2o_policy() {
  static const Policy row = {
      .id = "h2o",
      .code = "H2",
      .summary =
          "keeps the tokens with the largest attention sum over all queries, and recent ones",
      .paper = "arXiv 2306.14048",
      .params = kParams,
      .needs = kNeedsAllQueries | kNeedsKeys,
      .phases = kPrefill | kDecode,
      .sharing = Sharing::per_kv_head,
      .reads_queries = true,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
