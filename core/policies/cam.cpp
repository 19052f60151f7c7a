#include <ATen/ATen.h>

#include <algorithm>

#include "core/cache/layer_view.h"
#include "core/policies/draw.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"M", ParamKind::integer, 1, 65536, 32.0, "kept tokens that an evicted value is spread over"},
    {"sink", ParamKind::integer, 0, 1024, 4.0, "first tokens that are always kept"},
};

// Without a protected recent half, new tokens would go before any query could see them.
Protected protect(const Params& params, int budget, int) {
  return {integer_param(params, kParams, "sink"), budget / 2};
}

at::Tensor score(const LayerView& view, const Params&) {
  const at::Tensor mean = view.attention_by_position(kEveryQuery);
  return view.phase() == Phase::prefill ? mean[0] : mean;  // all heads hold the same tokens
}

// An evicted value is added, in equal parts, to the next M kept values (fewer at the end), with
// probability clamp(a / mean a of those tokens, 0, 1). One draw per seed, layer and original
// position, so that kv heads agree. Keys stay as they are.
void merge(const LayerView& view, const LayerScores& scores, const Kept& kept, const Params& params,
           std::vector<double>&, at::Tensor&, at::Tensor& v) {
  const int n = view.tokens(), dim = view.shape().head_dim,
            most = integer_param(params, kParams, "M");
  const at::Tensor values = view.values(), positions = view.positions().contiguous();
  for (int h = 0; h < view.shape().kv_heads; ++h) {
    const std::span<const std::int32_t> slots = kept.head(h);
    const int count = static_cast<int>(slots.size());
    const float* a = scores.scores.data() + (scores.rows == 1 ? 0 : std::size_t(h) * n);
    const at::Tensor evicted = values[h].contiguous();
    float* rows = v[h].data_ptr<float>();  // contiguous: the cache's own copy
    const std::int64_t* position = positions.data_ptr<std::int64_t>() + std::int64_t{h} * n;
    for (int slot = 0, next = 0; slot < n; ++slot) {  // next: the first kept row behind the slot
      if (next < count && slots[next] == slot) {
        ++next;
        continue;
      }
      const int window = std::min(most, count - next);
      if (window <= 0) break;
      double mean = 0;
      for (int i = next; i < next + window; ++i) mean += a[slots[i]] / double(window);
      const double draw = uniform_draw(view.seed(), view.layer(), position[slot]);
      if (!(draw * mean < a[slot])) continue;
      const float* value = evicted.data_ptr<float>() + std::ptrdiff_t{slot} * dim;
      for (int i = next; i < next + window; ++i) {
        for (int c = 0; c < dim; ++c) {
          rows[std::ptrdiff_t{i} * dim + c] += value[c] / static_cast<float>(window);
        }
      }
    }
  }
}

}  // namespace

const Policy& cam_policy() {
  static const Policy row = {
      .id = "cam",
      .code = "CA",
      .summary =
          "keeps the largest attention sums over all heads; evicted values merge into the "
          "kept ones behind them",
      .paper = "Zhang et al., ICML 2024 (CaM)",
      .params = kParams,
      .needs = kNeedsAllQueries | kNeedsKeys | kNeedsValues,
      .phases = kPrefill | kDecode,
      .sharing = Sharing::layer,
      .reads_queries = true,
      .protect = protect,
      .score = score,
      .merge = merge};
  return row;
}

}  // namespace polykv
