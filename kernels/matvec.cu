#include "kernels/launch.cuh"
#include "kernels/matvec.h"

namespace polykv {
namespace {

constexpr int kWarps = 8;     // a block is (32 lanes, kWarps); a warp takes one row of the weight
constexpr int kTogether = 4;  // tokens that share a reading of the row
constexpr unsigned kAll = 0xffffffffu;

__device__ inline float widened(float value) { return value; }
__device__ inline float widened(Bf16 value) {
  return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}
// As in matvec.cpp: the product also makes subnormal halves right.
__device__ inline float widened(Fp16 value) {
  const unsigned bits = value.bits;
  const float size = __uint_as_float((bits & 0x7fffu) << 13) * 0x1p112f;
  return bits & 0x8000u ? -size : size;
}

// Grid (blocks of kWarps rows). Lane l adds columns l, l + 32, ..; then the lanes are added.
template <class Number>
__global__ void matvec_kernel(const float* x, const Number* weight, MatvecShape shape, float* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const std::size_t row = static_cast<std::size_t>(blockIdx.x) * kWarps + threadIdx.y;
  if (row >= static_cast<std::size_t>(shape.rows)) return;  // the whole warp
  const std::size_t columns = shape.columns;
  weight += row * columns;
  for (int first = 0; first < shape.tokens; first += kTogether) {
    const int here = min(kTogether, shape.tokens - first);
    float sums[kTogether] = {};
    for (std::size_t c = lane; c < columns; c += 32) {
      const float w = widened(weight[c]);
      for (int t = 0; t < kTogether; ++t) {
        if (t < here) sums[t] += w * x[(first + t) * columns + c];
      }
    }
    for (int t = 0; t < kTogether; ++t) {
      for (int apart = 16; apart > 0; apart /= 2) {
        sums[t] += __shfl_xor_sync(kAll, sums[t], apart);
      }
      if (lane == 0 && t < here)
        out[static_cast<std::size_t>(first + t) * shape.rows + row] = sums[t];
    }
  }
}

template <class Number>
void launch_matvec(const float* x, const Number* weight, const MatvecShape& shape, float* out,
                   void* stream) {
  if (shape.tokens <= 0 || shape.rows <= 0) return;
  const unsigned blocks = (static_cast<unsigned>(shape.rows) + kWarps - 1) / kWarps;
  POLYKV_LAUNCH(matvec_kernel, dim3(blocks), dim3(32, kWarps), static_cast<cudaStream_t>(stream), x,
                weight, shape, out);
  check_cuda(cudaGetLastError(), "matvec_cuda");
}

}  // namespace

void matvec_cuda(const float* x, const float* weight, const MatvecShape& shape, float* out,
                 void* stream) {
  launch_matvec(x, weight, shape, out, stream);
}

void matvec_cuda(const float* x, const Bf16* weight, const MatvecShape& shape, float* out,
                 void* stream) {
  launch_matvec(x, weight, shape, out, stream);
}

void matvec_cuda(const float* x, const Fp16* weight, const MatvecShape& shape, float* out,
                 void* stream) {
  launch_matvec(x, weight, shape, out, stream);
}

}  // namespace polykv
