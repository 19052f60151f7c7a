#include "kernels/device.h"
#include "kernels/launch.cuh"

namespace polykv {

bool device_present() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;  // error 35 without a driver
}

void* device_allocate(std::size_t bytes) {
  void* memory = nullptr;
  check_cuda(cudaMalloc(&memory, bytes > 0 ? bytes : 1), "device memory");
  return memory;
}

void device_release(void* memory) { check_cuda(cudaFree(memory), "device memory release"); }

void copy_to_device(void* device, const void* host, std::size_t bytes) {
  check_cuda(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice), "copy to the device");
}

void copy_to_host(void* host, const void* device, std::size_t bytes) {
  check_cuda(cudaDeviceSynchronize(), "kernels on the device");
  check_cuda(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), "copy from the device");
}

}  // namespace polykv
