#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/pooling.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"window", ParamKind::integer, 1, 1024, 8.0, "last queries that vote; they are always kept"},
    {"kernel", ParamKind::integer, 1, 255, 5.0, "neighbours pooled together (odd)"},
    {"pool", ParamKind::choice, 0, 0, std::string("avg"), "how neighbours are pooled", "avg|max"},
};

Protected protect(const Params& params, int, int) {
  return {0, integer_param(params, kParams, "window")};
}

at::Tensor score(const LayerView& view, const Params& params) {
  const int n = view.tokens(), window = integer_param(params, kParams, "window");
  const int kernel = integer_param(params, kParams, "kernel");
  const int candidates = n - window;
  if (candidates <= 0) return at::zeros({view.shape().kv_heads, n}, at::kFloat);  // all protected
  const at::Tensor mean = view.attention_sums(window).narrow(1, 0, candidates) / double(window);
  const bool average = choice_param(params, kParams, "pool") == "avg";
  return with_window(
      group_mean(view, average ? average_pool(mean, kernel) : max_pool(mean, kernel)), n);
}

}  // namespace

const Policy& snapkv_policy() {
  static const Policy row = {
      .id = "snapkv",
      .code = "SN",
      .summary = "keeps what the last queries attend to, pooled over neighbours, and those queries",
      .paper = "arXiv 2404.14469",
      .params = kParams,
      .needs = kNeedsWindow | kNeedsKeys,
      .phases = kPrefill,
      .sharing = Sharing::per_kv_head,
      .reads_queries = true,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
