#include <ATen/ATen.h>

#include <algorithm>

#include "core/cache/layer_view.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"sink", ParamKind::integer, 0, 1024, 4.0, "first tokens that are always kept"},
};

// The whole budget is protected: the sinks and the most recent rest.
Protected protect(const Params& params, int budget, int) {
  const int sink = integer_param(params, kParams, "sink");
  return {sink, std::max(0, budget - sink)};
}

// Later is better: while decoding fewer sinks may be left than the parameter says.
at::Tensor score(const LayerView& view, const Params&) {
  const at::Tensor positions = view.positions().to(at::kFloat);
  return view.phase() == Phase::prefill ? positions[0] : positions;
}

}  // namespace

const Policy& streaming_llm_policy() {
  static const Policy row = {.id = "streaming_llm",
                             .code = "SL",
                             .summary = "keeps the first tokens (sinks) and the most recent ones",
                             .paper = "arXiv 2309.17453",
                             .params = kParams,
                             .needs = kNeedsNothing,
                             .phases = kPrefill | kDecode,
                             .sharing = Sharing::layer,
                             .reads_queries = false,
                             .protect = protect,
                             .score = score};
  return row;
}

}  // namespace polykv
