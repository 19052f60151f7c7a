#include "core/cache/attend.h"

#include <cmath>
#include <limits>

namespace polykv {

at::Tensor attention_rows(const at::Tensor& q, const at::Tensor& k, int window) {
  const std::int64_t heads = q.size(0), t = q.size(1), d = q.size(2);
  const std::int64_t groups = k.size(0), rows = k.size(1);
  // Heads of a group share their keys: (kv_heads, heads per group * t, head_dim).
  const at::Tensor grouped = q.reshape({groups, heads / groups * t, d});
  at::Tensor scores = at::bmm(grouped, k.transpose(1, 2)).mul_(1.0 / std::sqrt(double(d)));
  scores = scores.view({heads, t, rows});
  if (t > 1) {
    const at::Tensor future =
        at::full({t, t}, -std::numeric_limits<float>::infinity(), scores.options()).triu_(1);
    scores.narrow(2, rows - t, t).add_(future);
  }
  if (window > 0 && rows > window) {
    const at::Tensor own = at::arange(rows - t, rows, at::kLong).unsqueeze(1);
    const at::Tensor key = at::arange(rows, at::kLong).unsqueeze(0);
    scores.masked_fill_(key <= own - window, -std::numeric_limits<float>::infinity());
  }
  return at::softmax(scores, -1);
}

at::Tensor mixed_values(const at::Tensor& rows, const at::Tensor& v) {
  const std::int64_t heads = rows.size(0), t = rows.size(1), d = v.size(2), groups = v.size(0);
  return at::bmm(rows.view({groups, heads / groups * t, v.size(1)}), v)
      .view({heads, t, d})
      .transpose(0, 1)
      .reshape({t, heads * d});
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int window) {
  return mixed_values(attention_rows(q, k, window), v);
}

}  // namespace polykv
