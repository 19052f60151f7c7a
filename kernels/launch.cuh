#pragma once
// What every .cu file needs around its kernels: one way to launch and one way to check.
// Under nvcc this is CUDA; g++ compiles the same files after tests/support/cuda_on_cpu.h.
#ifdef __CUDACC__
#include <cuda_runtime.h>
#define POLYKV_LAUNCH(kernel, grid, block, stream, ...) \
  kernel<<<(grid), (block), 0, (stream)>>>(__VA_ARGS__)
#elif !defined(POLYKV_CUDA_ON_CPU)
#error "compile with nvcc, or include tests/support/cuda_on_cpu.h first"
#else
#define POLYKV_LAUNCH(kernel, grid, block, stream, ...) \
  cuda_on_cpu::launch((grid), (block), (stream), [=] { kernel(__VA_ARGS__); })
#endif

#include <stdexcept>
#include <string>

namespace polykv {

// Throws std::runtime_error with CUDA's own words; `what` names the step that failed.
inline void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

}  // namespace polykv
