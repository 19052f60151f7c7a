// The emulation itself: it must run right kernels right and notice wrong ones.
#include "tests/support/cuda_on_cpu.h"

#include <catch2/catch.hpp>

#include "kernels/launch.cuh"
#include "tests/cuda/place.h"

namespace {

enum class Fault {
  none,
  no_barrier,
  leaves_before_barrier,
  leaves_before_warp,
  two_barriers,
  mixed,
  outside_mask
};

// Each block adds up its 96 inputs: by warp shuffles, then over shared memory.
__global__ void sum_kernel(const float* in, float* out, Fault fault) {
  __shared__ float of_warp[3];
  const unsigned thread = threadIdx.x;
  if (fault == Fault::leaves_before_warp && thread == 5) return;
  float sum = in[blockIdx.x * blockDim.x + thread];
  for (int apart = 16; apart > 0; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
  if (thread % 32 == 0) of_warp[thread / 32] = sum;
  if (fault == Fault::leaves_before_barrier && thread == 70) return;
  if (fault == Fault::mixed && thread < 32) __ballot_sync(0xffffffffu, thread != 0 || sum > 0);
  if (fault == Fault::mixed && thread == 40) __ballot_sync(0xffffffffu, 1);
  if (fault == Fault::outside_mask && thread == 7) __ballot_sync(~(1u << 7), 1);
  if (fault == Fault::two_barriers && thread == 3) {
    __syncthreads();
  } else if (fault != Fault::no_barrier) {
    __syncthreads();
  }
  if (thread == 1) out[blockIdx.x] = of_warp[0] + of_warp[1] + of_warp[2];
}

bool sums_right(Fault fault) {
  constexpr int kBlocks = 8, kThreads = 96;
  std::vector<float> in(kBlocks * kThreads), out(kBlocks, -1.0f);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % 41);
  const float* from = in.data();
  float* to = out.data();
  POLYKV_LAUNCH(sum_kernel, dim3(kBlocks), dim3(kThreads), nullptr, from, to, fault);
  for (int block = 0; block < kBlocks; ++block) {
    float expected = 0;
    for (int i = 0; i < kThreads; ++i) expected += in[block * kThreads + i];
    if (out[block] != expected) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the emulation runs a warp and block reduction right") {
  if (emulation_or_warning()) CHECK(sums_right(Fault::none));
}

TEST_CASE("the emulation gives a wrong sum when a __syncthreads is missing") {
  if (emulation_or_warning()) CHECK_FALSE(sums_right(Fault::no_barrier));
}

TEST_CASE("the emulation reports threads that cannot meet, and still works afterwards") {
  if (!emulation_or_warning()) return;
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(sums_right(Fault::leaves_before_barrier),
                    Contains("thread 70") && Contains("left before a __syncthreads"));
  CHECK_THROWS_WITH(sums_right(Fault::leaves_before_warp),
                    Contains("thread 5") && Contains("left before a warp operation"));
  CHECK_THROWS_WITH(sums_right(Fault::two_barriers), Contains("another __syncthreads"));
  CHECK_THROWS_WITH(sums_right(Fault::mixed),
                    Contains("thread 40") && Contains("waits in a warp operation for ever"));
  CHECK_THROWS_WITH(sums_right(Fault::outside_mask),
                    Contains("thread 7") && Contains("is not in the mask"));
  CHECK(sums_right(Fault::none));
}

TEST_CASE("the emulation refuses a launch that CUDA refuses") {
  CHECK_THROWS_AS(cuda_on_cpu::launch(dim3(0), dim3(32), nullptr, [] {}), std::logic_error);
  CHECK_THROWS_AS(cuda_on_cpu::launch(dim3(1), dim3(1025), nullptr, [] {}), std::logic_error);
  CHECK_THROWS_AS(cuda_on_cpu::launch(dim3(1, 65536), dim3(32), nullptr, [] {}), std::logic_error);
}
