#include <ATen/ATen.h>

#include <algorithm>

#include "core/cache/layer_view.h"
#include "core/error.h"
#include "core/policies/pooling.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"window", ParamKind::integer, 1, 1024, 8.0, "last queries that vote; they are always kept"},
    {"kernel", ParamKind::integer, 1, 255, 5.0, "neighbours averaged together (odd)"},
    {"heads", ParamKind::integer, 1, 1024, 4.0, "best semantic retrieval heads that vote"},
};

Protected protect(const Params& params, int, int) {
  return {0, integer_param(params, kParams, "window")};
}

// Query heads vote; each reads the keys of its kv head, and all kv heads keep the same tokens.
at::Tensor score(const LayerView& view, const Params& params) {
  const int n = view.tokens(), window = integer_param(params, kParams, "window");
  const int candidates = n - window;
  if (candidates <= 0) return at::zeros({n}, at::kFloat);  // all protected
  const auto votes =
      std::min<std::size_t>(integer_param(params, kParams, "heads"), view.ranked_heads().size());
  std::vector<std::int64_t> chosen;
  for (const int head : view.ranked_heads().first(votes)) {
    if (head < 0 || head >= view.shape().query_heads) {
      fail_input("head list", "layer " + std::to_string(view.layer()),
                 "names head " + std::to_string(head) + ", expected one of 0 to " +
                     std::to_string(view.shape().query_heads - 1));
    }
    chosen.push_back(head);
  }
  const at::Tensor sums =
      view.attention_sums(window).narrow(1, 0, candidates).index_select(0, at::tensor(chosen));
  return with_window(average_pool(sums, integer_param(params, kParams, "kernel")).mean(0), n);
}

}  // namespace

const Policy& compresskv_policy() {
  static const Policy row = {
      .id = "compresskv",
      .code = "CO",
      .summary = "keeps what the layer's best semantic retrieval heads attend to",
      .paper = "arXiv 2508.02401",
      .params = kParams,
      .needs = kNeedsWindow | kNeedsKeys | kNeedsHeads,
      .phases = kPrefill,
      .sharing = Sharing::layer,
      .reads_queries = true,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
