#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"chunk", ParamKind::integer, 1, 65536, 2048.0, "tokens repeated at a time"},
    {"sink", ParamKind::integer, 0, 1024, 4.0, "first tokens that are always kept"},
};

Protected protect(const Params& params, int, int) {
  return {integer_param(params, kParams, "sink"), 0};
}

at::Tensor score(const LayerView& view, const Params& params) {
  return view.repeat_attention(integer_param(params, kParams, "chunk"));
}

}  // namespace

const Policy& kvzip_policy() {
  static const Policy row = {
      .id = "kvzip",
      .code = "KZ",
      .summary =
          "keeps what a second reading of the context looks back at (the context alone, "
          "without a prompt that asks for it); costs one more prefill",
      .paper = "arXiv 2505.23416",
      .params = kParams,
      .needs = kNeedsRepeat,
      .phases = kPrefill,
      .sharing = Sharing::per_kv_head,
      .reads_queries = false,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
