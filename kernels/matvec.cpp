#include "kernels/matvec.h"

#include <bit>
#include <cstddef>

#include "kernels/simd.h"

namespace polykv {
namespace {

constexpr int kTogether = 4;  // rows that share a load of x
constexpr int kLanes = 16;    // partial sums per row

#define POLYKV_INLINE inline __attribute__((always_inline))

POLYKV_INLINE float widened(float value) { return value; }
POLYKV_INLINE float widened(Bf16 value) {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}
POLYKV_INLINE float widened(Fp16 value) {
  // The exponents' biases differ by 112. Subnormal halves are counted from 2^-14 on: no number on
  // the way is denormal, which threads may take for 0.
  const std::uint32_t bits = value.bits, size = (bits & 0x7fffu) << 13;
  const float normal = std::bit_cast<float>(size + (112u << 23));
  const float small = std::bit_cast<float>(size + (113u << 23)) - 0x1p-14f;
  const float wide = (bits & 0x7c00u) == 0 ? small : normal;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(wide) | (bits & 0x8000u) << 16);
}

// R rows from `weight` on, one token.
template <int R, class Number>
POLYKV_INLINE void rows_times(const float* __restrict x, const Number* __restrict weight,
                              int columns, float* __restrict out) {
  float sums[R][kLanes] = {};
  int c = 0;
  for (; c + kLanes <= columns; c += kLanes) {
    for (int r = 0; r < R; ++r) {
      const Number* row = weight + static_cast<std::size_t>(r) * columns + c;
      for (int k = 0; k < kLanes; ++k) sums[r][k] += widened(row[k]) * x[c + k];
    }
  }
  for (int r = 0; r < R; ++r) {
    const Number* row = weight + static_cast<std::size_t>(r) * columns;
    for (int k = c; k < columns; ++k) sums[r][k - c] += widened(row[k]) * x[k];
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int k = 0; k < half; ++k) sums[r][k] += sums[r][k + half];
    }
    out[r] = sums[r][0];
  }
}

template <class Number>
POLYKV_INLINE void matvec(const float* x, const Number* weight, const MatvecShape& shape,
                          int row_begin, int row_end, float* out) {
  const std::size_t columns = shape.columns;
  int row = row_begin;
  for (; row + kTogether <= row_end; row += kTogether) {
    for (int t = 0; t < shape.tokens; ++t) {
      rows_times<kTogether>(x + t * columns, weight + row * columns, shape.columns,
                            out + static_cast<std::size_t>(t) * shape.rows + row);
    }
  }
  for (; row < row_end; ++row) {
    for (int t = 0; t < shape.tokens; ++t) {
      rows_times<1>(x + t * columns, weight + row * columns, shape.columns,
                    out + static_cast<std::size_t>(t) * shape.rows + row);
    }
  }
}

}  // namespace

POLYKV_CLONES void matvec_cpu(const float* x, const float* weight, const MatvecShape& shape,
                              int row_begin, int row_end, float* out) {
  matvec(x, weight, shape, row_begin, row_end, out);
}

POLYKV_CLONES void matvec_cpu(const float* x, const Bf16* weight, const MatvecShape& shape,
                              int row_begin, int row_end, float* out) {
  matvec(x, weight, shape, row_begin, row_end, out);
}

POLYKV_CLONES void matvec_cpu(const float* x, const Fp16* weight, const MatvecShape& shape,
                              int row_begin, int row_end, float* out) {
  matvec(x, weight, shape, row_begin, row_end, out);
}

}  // namespace polykv
