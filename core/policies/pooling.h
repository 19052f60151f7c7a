#pragma once
// Arithmetic on attention that several rows share. Knows torch.
#include <ATen/ATen.h>

#include "core/cache/layer_view.h"

namespace polykv {

// Mean over the query heads that read one kv head: (query_heads, tokens) -> (kv_heads, tokens).
at::Tensor group_mean(const LayerView& view, const at::Tensor& per_query_head);

// Neighbours along the last dimension of (rows, tokens), the same size. The average divides by the
// kernel at the borders too (zero padding counted).
at::Tensor average_pool(const at::Tensor& rows, int kernel);
at::Tensor max_pool(const at::Tensor& rows, int kernel);

// Scores of the tokens before the observation window, (rows, tokens - window) or one row, with
// zeros for the window, which is protected.
at::Tensor with_window(const at::Tensor& candidates, int tokens);

}  // namespace polykv
