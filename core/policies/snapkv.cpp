#include <ATen/ATen.h>

#include <algorithm>

#include "core/cache/layer_view.h"
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
  const ModelShape& s = view.shape();
  const int n = view.tokens(), window = integer_param(params, kParams, "window");
  const int kernel = integer_param(params, kParams, "kernel");
  at::Tensor scores = at::zeros({s.kv_heads, n}, at::kFloat);
  const int candidates = n - window;
  if (candidates <= 0) return scores;  // every token is inside the window and protected
  const at::Tensor mean =
      (view.attention_sums(window).narrow(1, 0, candidates) / double(window)).unsqueeze(0);
  // Zero padding counts in the average; an even kernel leaves one column too many.
  const at::Tensor pooled =
      (choice_param(params, kParams, "pool") == "avg"
           ? at::avg_pool1d(mean, kernel, 1, kernel / 2, false, /*count_include_pad=*/true)
           : at::max_pool1d(mean, kernel, 1, kernel / 2))
          .squeeze(0)
          .narrow(1, 0, candidates);
  scores.narrow(1, 0, candidates)
      .copy_(pooled.reshape({s.kv_heads, s.query_heads / s.kv_heads, candidates}).mean(1));
  return scores;
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
