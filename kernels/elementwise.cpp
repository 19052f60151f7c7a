#include "kernels/elementwise.h"

#include <cmath>
#include <cstddef>
#include <cstring>

#include "kernels/simd.h"

namespace polykv {
namespace {

constexpr int kLanes = 16;  // partial sums: a plain reduction would not vectorise

#define POLYKV_INLINE inline __attribute__((always_inline))

// 1 / sqrt(mean(x^2) + eps)
POLYKV_INLINE float inverse_rms(const float* x, int columns, float eps) {
  float sums[kLanes] = {};
  int c = 0;
  for (; c + kLanes <= columns; c += kLanes) {
    for (int k = 0; k < kLanes; ++k) sums[k] += x[c + k] * x[c + k];
  }
  for (int k = c; k < columns; ++k) sums[k - c] += x[k] * x[k];
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
  }
  return 1.0f / std::sqrt(sums[0] / static_cast<float>(columns) + eps);
}

POLYKV_INLINE float silu(float x) {
  const float e = exp_negative(-std::fabs(x));
  return x * (x < 0 ? e : 1.0f) / (1.0f + e);
}

// One head: norm where there is a weight, then the rotation.
POLYKV_INLINE void turned_head(const float* __restrict x, const float* norm, float eps, int half,
                               const float* __restrict cos, const float* __restrict sin,
                               float* __restrict out) {
  if (norm == nullptr) {
    for (int i = 0; i < half; ++i) {
      out[i] = x[i] * cos[i] - x[i + half] * sin[i];
      out[i + half] = x[i + half] * cos[i] + x[i] * sin[i];
    }
    return;
  }
  const float scale = inverse_rms(x, 2 * half, eps);
  for (int i = 0; i < half; ++i) {
    const float a = x[i] * scale * norm[i], b = x[i + half] * scale * norm[i + half];
    out[i] = a * cos[i] - b * sin[i];
    out[i + half] = b * cos[i] + a * sin[i];
  }
}

}  // namespace

POLYKV_CLONES void rms_norm_cpu(const float* x, const float* weight, int rows, int columns,
                                float eps, float* out) {
  for (int row = 0; row < rows; ++row) {
    const float scale = inverse_rms(x, columns, eps);
    for (int c = 0; c < columns; ++c) out[c] = x[c] * scale * weight[c];
    x += columns;
    out += columns;
  }
}

POLYKV_CLONES void silu_gate_cpu(const float* gate_up, int rows, int columns,
                                 float* __restrict out) {
  for (int row = 0; row < rows; ++row) {
    const float *gate = gate_up, *up = gate_up + columns;
    for (int c = 0; c < columns; ++c) out[c] = silu(gate[c]) * up[c];
    gate_up += 2 * static_cast<std::ptrdiff_t>(columns);
    out += columns;
  }
}

POLYKV_CLONES void split_heads_cpu(const float* qkv, const HeadShape& shape, const float* cos,
                                   const float* sin, float* q, std::ptrdiff_t q_stride, float* k,
                                   float* v, std::ptrdiff_t kv_stride) {
  const int dim = shape.dim, half = dim / 2;
  for (std::ptrdiff_t t = 0; t < shape.tokens; ++t) {
    for (int head = 0; head < shape.heads; ++head, qkv += dim) {
      turned_head(qkv, shape.q_norm, shape.eps, half, cos, sin, q + head * q_stride + t * dim);
    }
    for (int head = 0; head < shape.kv_heads; ++head, qkv += dim) {
      turned_head(qkv, shape.k_norm, shape.eps, half, cos, sin, k + head * kv_stride + t * dim);
    }
    for (int head = 0; head < shape.kv_heads; ++head, qkv += dim) {
      std::memcpy(v + head * kv_stride + t * dim, qkv, dim * sizeof(float));
    }
    cos += half;
    sin += half;
  }
}

}  // namespace polykv
