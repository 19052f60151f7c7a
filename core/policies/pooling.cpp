#include "core/policies/pooling.h"

namespace polykv {

at::Tensor group_mean(const LayerView& view, const at::Tensor& per_query_head) {
  return per_query_head.reshape({view.shape().kv_heads, view.group(), per_query_head.size(1)})
      .mean(1);
}

// An even kernel leaves one column too many.
at::Tensor average_pool(const at::Tensor& rows, int kernel) {
  return at::avg_pool1d(rows.unsqueeze(0), kernel, 1, kernel / 2, false, /*count_include_pad=*/true)
      .squeeze(0)
      .narrow(1, 0, rows.size(1));
}

at::Tensor max_pool(const at::Tensor& rows, int kernel) {
  return at::max_pool1d(rows.unsqueeze(0), kernel, 1, kernel / 2)
      .squeeze(0)
      .narrow(1, 0, rows.size(1));
}

at::Tensor with_window(const at::Tensor& candidates, int tokens) {
  return at::constant_pad_nd(candidates, {0, tokens - candidates.size(-1)});
}

}  // namespace polykv
