#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/pooling.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"window", ParamKind::integer, 1, 1024, 32.0, "last queries that are the history"},
    {"decay", ParamKind::number, 0, 1, 1.0, "what an earlier query counts against the next one"},
    {"sink", ParamKind::integer, 0, 1024, 4.0, "first tokens that are always kept"},
    {"recent", ParamKind::integer, 0, 65536, 8.0, "last tokens that are always kept"},
};

Protected protect(const Params& params, int, int) {
  return {integer_param(params, kParams, "sink"), integer_param(params, kParams, "recent")};
}

// The importance record I <- decay * I + A[q], over the queries q of the history window.
at::Tensor score(const LayerView& view, const Params& params) {
  const int window = integer_param(params, kParams, "window");
  const double decay = number_param(params, kParams, "decay");
  if (decay == 1) return group_mean(view, view.attention_sums(window));
  const at::Tensor rows = view.attention_rows(window);  // (query_heads, queries, tokens)
  at::Tensor record = at::zeros({rows.size(0), rows.size(2)}, at::kFloat);
  for (std::int64_t q = 0; q < rows.size(1); ++q) record.mul_(decay).add_(rows.select(1, q));
  return group_mean(view, record);
}

}  // namespace

const Policy& scissorhands_policy() {
  static const Policy row = {
      .id = "scissorhands",
      .code = "SH",
      .summary = "keeps what a window of past queries attended to, sinks and recent tokens",
      .paper = "arXiv 2305.17118",
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
