#pragma once
// Attention of a few new tokens over a cache that already holds them. Knows torch.
#include <ATen/ATen.h>

namespace polykv {

// q (query_heads, t, head_dim); k, v (kv_heads, rows, head_dim) whose last t rows are the new
// tokens themselves (causal among them). window > 0: the rows stand at consecutive positions and a
// query sees the last `window` of them, itself included. Returns (t, query_heads * head_dim).
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int window);

// The probabilities behind it, (query_heads, t, rows) fp32.
at::Tensor attention_rows(const at::Tensor& q, const at::Tensor& k, int window);

// What rows of such probabilities give of the values: (t, query_heads * head_dim).
at::Tensor mixed_values(const at::Tensor& rows, const at::Tensor& v);

}  // namespace polykv
