#include <ATen/ATen.h>

#include <algorithm>

#include "core/cache/layer_view.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

constexpr int kSink = 4;

const ParamSpec kParams[] = {
    {"threshold", ParamKind::number, 0, 1, 0.9,
     "attention of the last query to sinks and recent tokens above which a layer is lazy"},
};

// A lazy layer is streaming_llm: the whole budget is protected.
Protected protect(const Params&, int budget, int) { return {kSink, std::max(0, budget - kSink)}; }

at::Tensor score(const LayerView& view, const Params&) { return view.attention_by_position(1)[0]; }

std::vector<int> split(const SplitInput& in, const Params& params) {
  const SelectShape shape = fit_protected(in.shape);
  const std::span<const float> attention = in.scores[0];
  double mass = 0;
  for (int i = 0; i < shape.tokens; ++i) {
    if (i < shape.sink || i >= shape.tokens - shape.recent) mass += attention[i];
  }
  const bool lazy = mass > number_param(params, kParams, "threshold");
  return std::vector<int>(in.scores.size(), lazy ? kept_count(shape) : shape.tokens);
}

}  // namespace

const Policy& simlayerkv_policy() {
  static const Policy row = {
      .id = "simlayerkv",
      .code = "SI",
      .summary =
          "a layer whose last query looks at sinks and recent tokens keeps only those; any "
          "other layer keeps everything, above its budget",
      .paper = "arXiv 2410.13846",
      .params = kParams,
      .needs = kNeedsWindow | kNeedsKeys,
      .phases = kPrefill,
      .sharing = Sharing::layer,
      .reads_queries = true,
      .protect = protect,
      .score = score,
      .split = split,
      .own_count = true};
  return row;
}

}  // namespace polykv
