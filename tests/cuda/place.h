#pragma once
// Where a CUDA case runs: on the CPU under the emulation, where kernels work on host memory, or on
// a real GPU, where they work on copies.
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#ifdef POLYKV_WITH_CUDA
#include "kernels/device.h"
#endif

enum class Place { emulation, gpu };

// Whether cases can run on a real GPU; warns aloud when not.
inline bool gpu_or_warning() {
#ifdef POLYKV_WITH_CUDA
  if (polykv::device_present()) return true;
  WARN("skipped: no GPU or no driver on this machine; the kernels ran under emulation only");
#else
  WARN("skipped: built without nvcc; the kernels ran under emulation only");
#endif
  return false;
}

// Whether the emulation can run in this build; warns aloud when not.
inline bool emulation_or_warning() {
#ifdef __SANITIZE_THREAD__
  WARN("skipped: ThreadSanitizer does not follow the fibres of the emulation");
  return false;
#else
  return true;
#endif
}

// An array that a kernel of `place` can work on; read() brings it back.
template <class T>
class Buffer {
 public:
  Buffer(Place place, std::vector<T> start) : place_(place), host_(std::move(start)) {
#ifdef POLYKV_WITH_CUDA
    if (place_ == Place::emulation) return;
    device_ = static_cast<T*>(polykv::device_allocate(host_.size() * sizeof(T)));
    polykv::copy_to_device(device_, host_.data(), host_.size() * sizeof(T));
#endif
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
#ifdef POLYKV_WITH_CUDA
    if (device_ != nullptr) polykv::device_release(device_);
#endif
  }

  T* data() { return place_ == Place::emulation ? host_.data() : device_; }

  std::vector<T> read() {
#ifdef POLYKV_WITH_CUDA
    if (place_ == Place::gpu) {
      polykv::copy_to_host(host_.data(), device_, host_.size() * sizeof(T));
    }
#endif
    return host_;
  }

 private:
  Place place_;
  std::vector<T> host_;
  T* device_ = nullptr;
};
