#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/cache/layer_view.h"
#include "core/policies/pooling.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

constexpr int kBlock = 4096;  // queries projected at a time

const ParamSpec kParams[] = {
    {"future", ParamKind::integer, 1, 65536, 512.0, "next positions that the queries may stand at"},
    {"sink", ParamKind::integer, 0, 1024, 4.0,
     "first tokens that are always kept and left out of the statistics"},
    {"covariance", ParamKind::flag, 0, 1, true, "use the covariance of the queries"},
    {"vnorm", ParamKind::flag, 0, 1, true, "multiply by the norm of the value"},
    {"eps", ParamKind::number, 0, 1, 0.0, "added to the attention before the value norm"},
};

Protected protect(const Params& params, int, int) {
  return {integer_param(params, kParams, "sink"), 0};
}

struct QueryStats {       // per query head, float64
  at::Tensor mean;        // (query_heads, head_dim)
  at::Tensor covariance;  // (query_heads, head_dim, head_dim), divided by the count
};

// Of the queries at positions [first, tokens) before RoPE. One pass, since projecting the queries
// is the dear part: the covariance is the mean product less the product of means, which in float64
// loses nothing to speak of.
QueryStats query_stats(const LayerView& view, int first, bool with_covariance) {
  const ModelShape& s = view.shape();
  const int n = view.tokens(), count = n - first;
  QueryStats stats;
  stats.mean = at::zeros({s.query_heads, s.head_dim}, at::kDouble);
  if (with_covariance) {
    stats.covariance = at::zeros({s.query_heads, s.head_dim, s.head_dim}, at::kDouble);
  }
  for (int begin = first; begin < n; begin += kBlock) {
    const at::Tensor queries =
        view.queries_before_rope(begin, std::min(n, begin + kBlock)).to(at::kDouble);
    stats.mean.add_(queries.sum(1));
    if (with_covariance) stats.covariance.add_(at::bmm(queries.transpose(1, 2), queries));
  }
  stats.mean.div_(count);
  if (with_covariance) {
    const at::Tensor mean = stats.mean.unsqueeze(2);
    stats.covariance.div_(count).sub_(at::bmm(mean, mean.transpose(1, 2)));
  }
  return stats;
}

// Mean rotation over the positions n .. n + future - 1: (head_dim, head_dim), channel i pairs with
// i + head_dim / 2.
at::Tensor mean_rotation(const LayerView& view, int future) {
  const int n = view.tokens();
  const RopeAngles angles = view.angles(at::arange(n, n + future, at::kLong));
  const at::Tensor cos = angles.cos.to(at::kDouble).mean(0).flatten().diag();
  const at::Tensor sin = angles.sin.to(at::kDouble).mean(0).flatten().diag();
  return at::cat({at::cat({cos, -sin}, 1), at::cat({sin, cos}, 1)}, 0);
}

// The expectation of exp(q.k / sqrt(d)) for a normal query: exponent k.mu / sqrt(d) + k'Sk / (2d),
// in float64 because it can be large before the softmax takes its maximum off.
at::Tensor score(const LayerView& view, const Params& params) {
  const ModelShape& s = view.shape();
  const int n = view.tokens(), sink = std::min(integer_param(params, kParams, "sink"), n);
  at::Tensor scores = at::zeros({s.kv_heads, n}, at::kFloat);
  if (sink == n) return scores;  // all protected
  const bool with_covariance = flag_param(params, kParams, "covariance");
  const QueryStats stats = query_stats(view, sink, with_covariance);
  const at::Tensor turn = mean_rotation(view, integer_param(params, kParams, "future"));
  const at::Tensor keys = view.keys().narrow(1, sink, n - sink);
  at::Tensor expected = at::empty({s.query_heads, n - sink}, at::kFloat);
  for (int head = 0; head < s.query_heads; ++head) {
    const at::Tensor k = keys[head / view.group()].to(at::kDouble);
    at::Tensor exponent = at::mv(k, at::mv(turn, stats.mean[head])) / std::sqrt(double(s.head_dim));
    if (with_covariance) {
      const at::Tensor spread = turn.mm(stats.covariance[head]).mm(turn.t());
      exponent += (k.mm(spread) * k).sum(1) / (2.0 * s.head_dim);
    }
    expected[head].copy_(at::softmax(exponent, 0));
  }
  at::Tensor mean = group_mean(view, expected);
  if (flag_param(params, kParams, "vnorm")) {
    mean = (mean + number_param(params, kParams, "eps")) *
           view.values().narrow(1, sink, n - sink).norm(2, -1);
  }
  scores.narrow(1, sink, n - sink).copy_(mean);
  return scores;
}

}  // namespace

const Policy& expected_attention_policy() {
  static const Policy row = {
      .id = "expected_attention",
      .code = "EX",
      .summary =
          "keeps what future queries should attend to, judged by the statistics of past ones",
      .paper = "arXiv 2510.00636",
      .params = kParams,
      .needs = kNeedsQueryStats | kNeedsKeys | kNeedsValues,
      .phases = kPrefill,
      .sharing = Sharing::per_kv_head,
      .reads_queries = true,
      .protect = protect,
      .score = score};
  return row;
}

}  // namespace polykv
