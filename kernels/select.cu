#include "kernels/launch.cuh"
#include "kernels/select.h"

namespace polykv {
namespace {

constexpr int kThreads = 256;  // also the number of histogram bins
constexpr int kWarps = kThreads / 32;
constexpr unsigned kAll = 0xffffffffu;

// Larger number = better score; equal scores (also -0 and 0) give equal numbers; NaN is 0.
__device__ inline unsigned order_of(float score) {
  if (score != score) return 0;
  const unsigned bits = __float_as_uint(score == 0.0f ? 0.0f : score);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// One block per row. Radix selection finds the order of the last pick and how many of its equals
// are wanted; the second part writes the picks in position order. shape is already fitted.
__global__ void select_kernel(const float* scores, SelectShape shape, int kept, std::int32_t* out) {
  __shared__ int bins[kThreads];
  __shared__ unsigned found;  // the leading bits of the last pick's order, known so far
  __shared__ int missing;     // picks still wanted among the scores that begin with `found`
  __shared__ int above_of[kWarps], equal_of[kWarps];

  const int thread = static_cast<int>(threadIdx.x);
  const int begin = shape.sink, end = shape.tokens - shape.recent;  // the candidates
  scores += static_cast<std::size_t>(blockIdx.x) * shape.tokens;
  out += static_cast<std::size_t>(blockIdx.x) * kept;
  for (int i = thread; i < shape.sink; i += kThreads) out[i] = i;
  for (int i = thread; i < shape.recent; i += kThreads) out[kept - shape.recent + i] = end + i;

  if (thread == 0) {
    found = 0;
    missing = kept - shape.sink - shape.recent;
  }
  for (int shift = 24; shift >= 0; shift -= 8) {
    bins[thread] = 0;
    __syncthreads();
    for (int i = begin + thread; i < end; i += kThreads) {
      const unsigned order = order_of(scores[i]);
      if (shift == 24 || order >> (shift + 8) == found) atomicAdd(&bins[order >> shift & 255], 1);
    }
    __syncthreads();
    if (thread == 0) {
      int bin = 255;
      while (bin > 0 && bins[bin] < missing) missing -= bins[bin--];
      found = found << 8 | static_cast<unsigned>(bin);
    }
    __syncthreads();
  }

  const int warp = thread / 32;
  const unsigned earlier_lanes = (1u << thread % 32) - 1;
  int above_before = 0, equal_before = 0;  // in the chunks already written
  for (int start = begin; start < end; start += kThreads) {
    const int i = start + thread;
    const unsigned order = i < end ? order_of(scores[i]) : 0;
    const bool above = i < end && order > found;
    const bool equal = i < end && order == found;
    const unsigned above_lanes = __ballot_sync(kAll, above);
    const unsigned equal_lanes = __ballot_sync(kAll, equal);
    if (thread % 32 == 0) {
      above_of[warp] = __popc(above_lanes);
      equal_of[warp] = __popc(equal_lanes);
    }
    __syncthreads();
    int above_rank = above_before + __popc(above_lanes & earlier_lanes);
    int equal_rank = equal_before + __popc(equal_lanes & earlier_lanes);
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) {
        above_rank += above_of[w];
        equal_rank += equal_of[w];
      }
      above_before += above_of[w];
      equal_before += equal_of[w];
    }
    if (above || (equal && equal_rank < missing)) {
      out[shape.sink + above_rank + (equal_rank < missing ? equal_rank : missing)] = i;
    }
    __syncthreads();  // the next chunk overwrites the warps' counts
  }
}

}  // namespace

void select_cuda(const float* scores, const SelectShape& shape, std::int32_t* kept, void* stream) {
  const SelectShape fitted = fit_protected(shape);
  const int count = kept_count(fitted);
  if (fitted.rows <= 0 || count <= 0) return;
  POLYKV_LAUNCH(select_kernel, dim3(fitted.rows), dim3(kThreads), static_cast<cudaStream_t>(stream),
                scores, fitted, count, kept);
  check_cuda(cudaGetLastError(), "select_cuda");
}

}  // namespace polykv
