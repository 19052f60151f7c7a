#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

constexpr double kTiny = 1e-12;  // a key of zeros has no direction

at::Tensor score(const LayerView& view, const Params&) {
  const at::Tensor keys = view.keys();
  const at::Tensor unit = keys / keys.norm(2, -1, /*keepdim=*/true).clamp_min_(kTiny);
  const at::Tensor mean = unit.mean(1, /*keepdim=*/true);
  const at::Tensor anchor = mean / mean.norm(2, -1, /*keepdim=*/true).clamp_min_(kTiny);
  return -(unit * anchor).sum(-1);
}

}  // namespace

const Policy& keydiff_policy() {
  static const Policy row = {
      .id = "keydiff",
      .code = "KD",
      .summary = "keeps the keys that point away from the mean direction of all keys",
      .paper = "arXiv 2504.15364",
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
