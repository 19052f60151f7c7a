#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

at::Tensor score(const LayerView& view, const Params&) { return -view.keys().norm(2, -1); }

}  // namespace

const Policy& knorm_policy() {
  static const Policy row = {
      .id = "knorm",
      .code = "KN",
      .summary = "keeps the keys with the smallest norm; flat on models with q/k norm",
      .paper = "arXiv 2406.11430",
      .params = {},
      .needs = kNeedsKeys,
      .phases = kPrefill | kDecode,
      .sharing = Sharing::per_kv_head,
      .reads_queries = false,
      .protect = protect_nothing,
      .score = score};
  return row;
}

}  // namespace polykv
