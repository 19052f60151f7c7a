#include <ATen/ATen.h>

#include <cmath>

#include "core/cache/layer_view.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

constexpr int kSink = 4;
constexpr double kTiny = 1e-12;  // a key of zeros has no direction

const ParamSpec kParams[] = {
    {"recent", ParamKind::integer, -1, 65536, -1.0,
     "last tokens that are always kept; -1 = half of the budget"},
    {"threshold", ParamKind::number, 0, 1, 0.5,
     "cosine to the nearest kept key above which the first cut merges; later cuts move it half way "
     "to what they find"},
};

Protected protect(const Params& params, int budget, int tokens) {
  return {kSink, h2o_policy()
                     .protect({{"recent", number_param(params, kParams, "recent")}}, budget, tokens)
                     .recent};
}

at::Tensor score(const LayerView& view, const Params&) { return h2o_policy().score(view, {}); }

at::Tensor unit(const at::Tensor& keys) {
  return keys / keys.norm(2, -1, /*keepdim=*/true).clamp_min_(kTiny);
}

// Each evicted token above the running threshold goes to the kept key nearest to it. A kept row
// becomes the mean of itself and its evicted ones with weights exp(cosine), e for itself; keys and
// values alike, post-RoPE as published. memory: the threshold of every kv head.
void merge(const LayerView& view, const LayerScores&, const Kept& kept, const Params& params,
           std::vector<double>& memory, at::Tensor& k, at::Tensor& v) {
  const at::Tensor keys = view.keys(), values = view.values();
  const int n = view.tokens(), heads = view.shape().kv_heads, first = view.first_kv_head();
  memory.resize(std::max<std::size_t>(memory.size(), first + heads),
                number_param(params, kParams, "threshold"));
  for (int h = 0; h < heads; ++h) {
    const int count = kept.count(h);
    if (count >= n) continue;
    at::Tensor stays = at::zeros({n}, at::kBool);
    for (const std::int32_t slot : kept.head(h)) stays.data_ptr<bool>()[slot] = true;
    const at::Tensor gone = at::logical_not(stays).nonzero().squeeze(1);
    const at::Tensor gone_k = keys[h].index_select(0, gone);
    at::Tensor kept_k = k[h].narrow(0, 0, count), kept_v = v[h].narrow(0, 0, count);
    const auto [cosine, nearest] = at::mm(unit(gone_k), unit(kept_k).t()).max(1);
    double& threshold = memory[first + h];
    const at::Tensor weight = cosine.exp() * (cosine >= threshold);  // (evicted)
    const at::Tensor own = at::full({count}, std::exp(1.0), at::kFloat);
    const at::Tensor sum = own.clone().index_add_(0, nearest, weight).unsqueeze(1);
    const auto fold = [&](at::Tensor row, const at::Tensor& evicted) {
      row.mul_(std::exp(1.0)).index_add_(0, nearest, evicted * weight.unsqueeze(1)).div_(sum);
    };
    fold(kept_k, gone_k);
    fold(kept_v, values[h].index_select(0, gone));
    threshold = (threshold + cosine.mean().item<double>()) / 2;
  }
}

}  // namespace

const Policy& d2o_policy() {
  static const Policy row = {
      .id = "d2o",
      .code = "D2",
      .summary =
          "ranks as h2o, keeps sinks; evicted tokens merge into the kept key nearest to them",
      .paper = "arXiv 2406.13035",
      .params = kParams,
      .needs = kNeedsAllQueries | kNeedsKeys | kNeedsValues,
      .phases = kPrefill | kDecode,
      .sharing = Sharing::per_kv_head,
      .reads_queries = true,
      .protect = protect,
      .score = score,
      .merge = merge};
  return row;
}

}  // namespace polykv
