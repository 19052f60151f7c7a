#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
#include "core/policies/draw.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"sink", ParamKind::integer, 0, 1024, 0.0, "first tokens that are always kept"},
    {"recent", ParamKind::integer, 0, 65536, 0.0, "last tokens that are always kept"},
    {"seed", ParamKind::integer, 0, 4294967295.0, 0.0, "added to the plan's seed"},
};

Protected protect(const Params& params, int, int) {
  return {integer_param(params, kParams, "sink"), integer_param(params, kParams, "recent")};
}

at::Tensor score(const LayerView& view, const Params& params) {
  const int heads = view.shape().kv_heads, n = view.tokens();
  const auto extra = static_cast<std::uint64_t>(number_param(params, kParams, "seed"));
  at::Tensor scores = at::empty({heads, n}, at::kFloat);
  float* out = scores.data_ptr<float>();
  const at::Tensor positions = view.positions().contiguous();
  const std::int64_t* position = positions.data_ptr<std::int64_t>();
  for (int head = 0; head < heads; ++head) {
    for (int i = 0; i < n; ++i) {
      *out++ =
          uniform_draw(view.seed() + extra, view.layer(), *position++, view.first_kv_head() + head);
    }
  }
  return scores;
}

}  // namespace

const Policy& random_policy() {
  static const Policy row = {.id = "random",
                             .code = "RA",
                             .summary = "uniform draw from the plan's seed; a control",
                             .paper = "",
                             .params = kParams,
                             .needs = kNeedsNothing,
                             .phases = kPrefill | kDecode,
                             .sharing = Sharing::per_kv_head,
                             .reads_queries = false,
                             .protect = protect,
                             .score = score};
  return row;
}

}  // namespace polykv
