#pragma once
// The row-by-row steps of a decoder layer, fp32, one pass over the numbers each.
#include <cstddef>

namespace polykv {

// x, out (rows, columns), weight (columns): out = x / sqrt(mean(x^2) + eps) * weight.
void rms_norm_cpu(const float* x, const float* weight, int rows, int columns, float eps,
                  float* out);

// gate_up (rows, 2 * columns), out (rows, columns): silu(first half) * second half.
void silu_gate_cpu(const float* gate_up, int rows, int columns, float* out);

// heads queries, then kv_heads keys, then kv_heads values a token, dim channels each. q_norm and
// k_norm (dim): RMS norm of every query or key head before the rotation; nullptr = none.
struct HeadShape {
  int heads = 0, kv_heads = 0, dim = 0, tokens = 0;
  float eps = 0;
  const float *q_norm = nullptr, *k_norm = nullptr;
};

// qkv (tokens, heads + 2 * kv_heads, dim) comes out heads first, queries and keys rotated: channel
// i with i + dim / 2 by cos, sin (tokens, dim / 2). Head h of token t goes to q + h * q_stride + t
// * dim; to k and v likewise with kv_stride.
void split_heads_cpu(const float* qkv, const HeadShape& shape, const float* cos, const float* sin,
                     float* q, std::ptrdiff_t q_stride, float* k, float* v,
                     std::ptrdiff_t kv_stride);

// The same three on device pointers (the norms of a HeadShape too); stream is a cudaStream_t. Only
// in builds with CUDA.
void rms_norm_cuda(const float* x, const float* weight, int rows, int columns, float eps,
                   float* out, void* stream);
void silu_gate_cuda(const float* gate_up, int rows, int columns, float* out, void* stream);
void split_heads_cuda(const float* qkv, const HeadShape& shape, const float* cos, const float* sin,
                      float* q, std::ptrdiff_t q_stride, float* k, float* v,
                      std::ptrdiff_t kv_stride, void* stream);

}  // namespace polykv
