#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/pooling.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"window", ParamKind::integer, 1, 1024, 32.0, "last queries that vote; they are always kept"},
    {"kernel", ParamKind::integer, 1, 255, 5.0, "neighbours averaged together (odd)"},
};

Protected protect(const Params& params, int, int) {
  return {0, integer_param(params, kParams, "window")};
}

// The worst case over the window and the group, no less than the mean of those worst cases, times
// the token's share of the head's norms of projected values.
at::Tensor score(const LayerView& view, const Params& params) {
  const int n = view.tokens(), window = integer_param(params, kParams, "window");
  const int heads = view.shape().kv_heads, candidates = n - window;
  if (candidates <= 0) return at::zeros({heads, n}, at::kFloat);  // all protected
  const at::Tensor rows = view.attention_rows(window).narrow(2, 0, candidates);
  const at::Tensor pooled =
      average_pool(rows.reshape({-1, candidates}), integer_param(params, kParams, "kernel"));
  const at::Tensor worst = pooled.view({heads, -1, candidates}).amax(1);
  const at::Tensor risk = at::maximum(worst, worst.mean(1, /*keepdim=*/true));
  const at::Tensor norms = group_mean(view, view.output_norms()).narrow(1, 0, candidates);
  const at::Tensor total = norms.sum(1, /*keepdim=*/true).clamp_min_(1e-30);
  return with_window(risk * (norms / total), n);
}

}  // namespace

const Policy& defensivekv_policy() {
  static const Policy row = {
      .id = "defensivekv",
      .code = "DE",
      .summary = "keeps what any of the last queries may need badly, weighted by projected values",
      .paper = "arXiv 2510.13334",
      .params = kParams,
      .needs = kNeedsWindow | kNeedsKeys | kNeedsValues | kNeedsOutput,
      .phases = kPrefill,
      .sharing = Sharing::per_kv_head,
      .reads_queries = true,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
