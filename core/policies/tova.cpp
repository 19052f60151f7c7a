#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

Protected protect(const Params&, int, int) { return {0, 1}; }

at::Tensor score(const LayerView& view, const Params&) {
  const at::Tensor mean = view.attention_by_position(1);
  return view.phase() == Phase::prefill ? mean[0] : mean;  // all heads hold the same tokens
}

}  // namespace

const Policy& tova_policy() {
  static const Policy row = {
      .id = "tova",
      .code = "TO",
      .summary = "keeps what the last query attends to, averaged over all heads",
      .paper = "arXiv 2401.06104",
      .params = {},
      .needs = kNeedsWindow | kNeedsKeys,
      .phases = kPrefill | kDecode,
      .sharing = Sharing::layer,
      .reads_queries = true,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
