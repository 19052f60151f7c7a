#include "kernels/compact.h"
#include "kernels/launch.cuh"

namespace polykv {
namespace {

constexpr int kThreads = 256;
constexpr std::size_t kMostBlocks = 1024;

// One float per step of a grid-stride loop: neighbours in a warp read and write neighbours.
__global__ void compact_kernel(const float* source, const std::int32_t* positions,
                               CompactShape shape, float* out) {
  const std::size_t dim = shape.dim, kept = shape.kept;
  const std::size_t total = shape.rows * kept * dim;
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t at = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; at < total;
       at += step) {
    const std::size_t d = at % dim, entry = at / dim;  // entry: (row, i) of `positions`
    const std::size_t row = entry / kept, i = entry % kept;
    out[(row * shape.out_stride + i) * dim + d] =
        source[(row * shape.tokens + positions[entry]) * dim + d];
  }
}

}  // namespace

void compact_cuda(const float* source, const std::int32_t* positions, const CompactShape& shape,
                  float* out, void* stream) {
  if (shape.rows <= 0 || shape.kept <= 0 || shape.dim <= 0) return;
  const std::size_t total = static_cast<std::size_t>(shape.rows) * shape.kept * shape.dim;
  const std::size_t wanted = (total + kThreads - 1) / kThreads;
  const unsigned blocks = static_cast<unsigned>(wanted < kMostBlocks ? wanted : kMostBlocks);
  POLYKV_LAUNCH(compact_kernel, dim3(blocks), dim3(kThreads), static_cast<cudaStream_t>(stream),
                source, positions, shape, out);
  check_cuda(cudaGetLastError(), "compact_cuda");
}

}  // namespace polykv
