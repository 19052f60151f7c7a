#include <ATen/ATen.h>

#include <cmath>

#include "core/cache/layer_view.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

constexpr double kTiny = 1e-9;  // a channel that is constant in the next partition

const ParamSpec kParams[] = {
    {"sink", ParamKind::integer, 0, 1024, 4.0, "first tokens that are always kept"},
    {"lag", ParamKind::integer, 1, 65536, 128.0,
     "tokens of a partition; the last one and what follows it are always kept"},
};

struct Partitions {
  int sink = 0, lag = 0, count = 0;  // complete ones; fewer than 2 = nothing to compare
  Partitions(const Params& params, int tokens)
      : sink(integer_param(params, kParams, "sink")), lag(integer_param(params, kParams, "lag")) {
    count = tokens > sink ? (tokens - sink) / lag : 0;
  }
};

Protected protect(const Params& params, int, int tokens) {
  const Partitions parts(params, tokens);
  if (parts.count < 2) return {parts.sink, 0};
  return {parts.sink, tokens - parts.sink - (parts.count - 1) * parts.lag};
}

// x (kv_heads, partitions, lag, head_dim): every partition but the last against the next one,
// (kv_heads, partitions - 1, lag).
at::Tensor against_next(const at::Tensor& x) {
  const std::int64_t pairs = x.size(1) - 1;
  const at::Tensor next = x.narrow(1, 1, pairs);
  const at::Tensor low = next.amin(2, /*keepdim=*/true), high = next.amax(2, /*keepdim=*/true);
  const at::Tensor scaled = (x.narrow(1, 0, pairs) - low) / (high - low).clamp_min_(kTiny);
  return at::softmax(scaled.std(-1, /*unbiased=*/true), -1);
}

at::Tensor score(const LayerView& view, const Params& params) {
  const int heads = view.shape().kv_heads, n = view.tokens(), d = view.shape().head_dim;
  const Partitions parts(params, n);
  at::Tensor scores = at::zeros({heads, n}, at::kFloat);
  if (parts.count < 2) {  // recent tokens win
    return scores.add_(at::arange(n, at::kFloat) / double(n));
  }
  const auto cut = [&](const at::Tensor& x) {
    return x.narrow(1, parts.sink, parts.count * parts.lag)
        .reshape({heads, parts.count, parts.lag, d});
  };
  const at::Tensor both = (against_next(cut(view.keys())) + against_next(cut(view.values()))) / 2;
  const at::Tensor order = both.argsort(/*stable=*/true, -1, false).argsort(/*stable=*/true, -1);
  const at::Tensor rank = (order.to(at::kFloat) / double(parts.lag))
                              .masked_fill_(both.isnan(), NAN);  // ranks would hide it
  scores.narrow(1, parts.sink, (parts.count - 1) * parts.lag).copy_(rank.reshape({heads, -1}));
  return scores;
}

}  // namespace

const Policy& lagkv_policy() {
  static const Policy row = {
      .id = "lagkv",
      .code = "LA",
      .summary = "keeps the tokens of each partition that vary most against the next partition",
      .paper = "arXiv 2504.04704",
      .params = kParams,
      .needs = kNeedsKeys | kNeedsValues,
      .phases = kPrefill,
      .sharing = Sharing::per_kv_head,
      .reads_queries = false,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
