#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/pooling.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

constexpr int kKernel = 5;

const ParamSpec kParams[] = {
    {"window", ParamKind::integer, 1, 1024, 32.0, "last queries that vote; they are always kept"},
    {"gamma", ParamKind::number, 0, 100000, 200.0,
     "what the variance of a token's attention over those queries counts"},
};

Protected protect(const Params& params, int, int) {
  return {0, integer_param(params, kParams, "window")};
}

// Mean plus gamma times the population variance over the queries (in fp32: it underflows in half
// precision), pooled over neighbours.
at::Tensor score(const LayerView& view, const Params& params) {
  const int n = view.tokens(), window = integer_param(params, kParams, "window");
  const int candidates = n - window;
  if (candidates <= 0) return at::zeros({view.shape().kv_heads, n}, at::kFloat);  // all protected
  const at::Tensor rows = view.attention_rows(window).narrow(2, 0, candidates);
  const at::Tensor mean = rows.mean(1, /*keepdim=*/true);
  const at::Tensor variance = (rows - mean).square_().mean(1);
  const at::Tensor indicator =
      mean.squeeze(1) + variance.mul_(number_param(params, kParams, "gamma"));
  return with_window(group_mean(view, average_pool(indicator, kKernel)), n);
}

}  // namespace

const Policy& cake_policy() {
  static const Policy row = {
      .id = "cake",
      .code = "CK",
      .summary =
          "keeps what the last queries attend to on average or now and then; meant for "
          "budgets by the allocator cake",
      .paper = "arXiv 2503.12491",
      .params = kParams,
      .needs = kNeedsWindow | kNeedsKeys,
      .phases = kPrefill | kDecode,
      .sharing = Sharing::per_kv_head,
      .reads_queries = true,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
