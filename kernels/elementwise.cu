#include "kernels/elementwise.h"
#include "kernels/launch.cuh"

namespace polykv {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr std::size_t kMostBlocks = 1024;
constexpr unsigned kAll = 0xffffffffu;

// The sum over the lanes of a warp, in every lane. All lanes must call.
__device__ inline float warp_sum(float mine) {
  for (int apart = 16; apart > 0; apart /= 2) mine += __shfl_xor_sync(kAll, mine, apart);
  return mine;
}

// One block per row.
__global__ void rms_norm_kernel(const float* x, const float* weight, int columns, float eps,
                                float* out) {
  __shared__ float of_warp[kWarps];
  const int thread = static_cast<int>(threadIdx.x);
  x += static_cast<std::size_t>(blockIdx.x) * columns;
  out += static_cast<std::size_t>(blockIdx.x) * columns;
  float squares = 0.0f;
  for (int c = thread; c < columns; c += kThreads) squares += x[c] * x[c];
  squares = warp_sum(squares);
  if (thread % 32 == 0) of_warp[thread / 32] = squares;
  __syncthreads();
  float sum = 0.0f;
  for (int w = 0; w < kWarps; ++w) sum += of_warp[w];
  const float scale = 1.0f / sqrtf(sum / static_cast<float>(columns) + eps);
  for (int c = thread; c < columns; c += kThreads) out[c] = x[c] * scale * weight[c];
}

// One number per step of a grid-stride loop. exp(-x) may be infinite: the gate is then 0.
__global__ void silu_gate_kernel(const float* gate_up, std::size_t rows, std::size_t columns,
                                 float* out) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t at = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
       at < rows * columns; at += step) {
    const std::size_t row = at / columns, c = at % columns;
    const float gate = gate_up[2 * row * columns + c], up = gate_up[(2 * row + 1) * columns + c];
    out[at] = gate / (1.0f + expf(-gate)) * up;
  }
}

// A block is (32 lanes, kWarps); a warp takes one head of one token.
__global__ void split_heads_kernel(const float* qkv, HeadShape shape, const float* cos,
                                   const float* sin, float* q, std::ptrdiff_t q_stride, float* k,
                                   float* v, std::ptrdiff_t kv_stride) {
  const int lane = static_cast<int>(threadIdx.x), dim = shape.dim, half = dim / 2;
  const int all = shape.heads + 2 * shape.kv_heads;
  const std::size_t entry = static_cast<std::size_t>(blockIdx.x) * kWarps + threadIdx.y;
  if (entry >= static_cast<std::size_t>(shape.tokens) * all) return;  // the whole warp
  const std::ptrdiff_t token = entry / all;
  int head = static_cast<int>(entry % all);
  const float* x = qkv + entry * dim;
  float* out = q + head * q_stride;
  const float* norm = shape.q_norm;
  if (head >= shape.heads) {
    head -= shape.heads;
    out = k + head * kv_stride;
    norm = shape.k_norm;
    if (head >= shape.kv_heads) {
      out = v + (head - shape.kv_heads) * kv_stride + token * dim;
      for (int i = lane; i < dim; i += 32) out[i] = x[i];
      return;
    }
  }
  out += token * dim;
  cos += token * half;
  sin += token * half;
  float scale = 1.0f;
  if (norm != nullptr) {  // for the whole warp
    float squares = 0.0f;
    for (int i = lane; i < dim; i += 32) squares += x[i] * x[i];
    scale = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(dim) + shape.eps);
  }
  for (int i = lane; i < half; i += 32) {
    const float a = norm == nullptr ? x[i] : x[i] * scale * norm[i];
    const float b = norm == nullptr ? x[i + half] : x[i + half] * scale * norm[i + half];
    out[i] = a * cos[i] - b * sin[i];
    out[i + half] = b * cos[i] + a * sin[i];
  }
}

}  // namespace

void rms_norm_cuda(const float* x, const float* weight, int rows, int columns, float eps,
                   float* out, void* stream) {
  if (rows <= 0 || columns <= 0) return;
  POLYKV_LAUNCH(rms_norm_kernel, dim3(rows), dim3(kThreads), static_cast<cudaStream_t>(stream), x,
                weight, columns, eps, out);
  check_cuda(cudaGetLastError(), "rms_norm_cuda");
}

void silu_gate_cuda(const float* gate_up, int rows, int columns, float* out, void* stream) {
  if (rows <= 0 || columns <= 0) return;
  const std::size_t high = rows, wide = columns;
  const std::size_t wanted = (high * wide + kThreads - 1) / kThreads;
  const unsigned blocks = static_cast<unsigned>(wanted < kMostBlocks ? wanted : kMostBlocks);
  POLYKV_LAUNCH(silu_gate_kernel, dim3(blocks), dim3(kThreads), static_cast<cudaStream_t>(stream),
                gate_up, high, wide, out);
  check_cuda(cudaGetLastError(), "silu_gate_cuda");
}

void split_heads_cuda(const float* qkv, const HeadShape& shape, const float* cos, const float* sin,
                      float* q, std::ptrdiff_t q_stride, float* k, float* v,
                      std::ptrdiff_t kv_stride, void* stream) {
  const std::size_t entries =
      static_cast<std::size_t>(shape.tokens) * (shape.heads + 2 * shape.kv_heads);
  if (entries == 0 || shape.dim <= 0) return;
  const unsigned blocks = static_cast<unsigned>((entries + kWarps - 1) / kWarps);
  POLYKV_LAUNCH(split_heads_kernel, dim3(blocks), dim3(32, kWarps),
                static_cast<cudaStream_t>(stream), qkv, shape, cos, sin, q, q_stride, k, v,
                kv_stride);
  check_cuda(cudaGetLastError(), "split_heads_cuda");
}

}  // namespace polykv
