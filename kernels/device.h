#pragma once
// The GPU as raw memory, for callers without a framework. Only in builds with CUDA.
#include <cstddef>

namespace polykv {

// Whether a driver and a GPU are there; never throws.
bool device_present();

// Bytes on the current GPU; release takes null too. All but device_present throw
// std::runtime_error.
void* device_allocate(std::size_t bytes);
void device_release(void* memory);

// Copies that return when they are done; copy_to_host waits for all kernels before it.
void copy_to_device(void* device, const void* host, std::size_t bytes);
void copy_to_host(void* host, const void* device, std::size_t bytes);

}  // namespace polykv
