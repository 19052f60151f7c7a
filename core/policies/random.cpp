#include <ATen/ATen.h>

#include "core/cache/layer_view.h"
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

// splitmix64 (public domain, Vigna): one stream per seed, layer and head.
std::uint64_t next(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

at::Tensor score(const LayerView& view, const Params& params) {
  const int heads = view.shape().kv_heads, n = view.tokens();
  const auto extra = static_cast<std::uint64_t>(number_param(params, kParams, "seed"));
  at::Tensor scores = at::empty({heads, n}, at::kFloat);
  float* out = scores.data_ptr<float>();
  for (int head = 0; head < heads; ++head) {
    std::uint64_t key = view.seed() + extra;
    std::uint64_t stream = next(key) ^ (static_cast<std::uint64_t>(view.layer()) << 32) ^
                           static_cast<std::uint64_t>(head);
    for (int i = 0; i < n; ++i) *out++ = static_cast<float>(next(stream) >> 40) * 0x1p-24f;
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
