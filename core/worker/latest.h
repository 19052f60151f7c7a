#pragma once
// Hand-over of the newest value between two threads.
#include <memory>
#include <mutex>

namespace polykv {

// A mutex around a shared_ptr: std::atomic<shared_ptr> trips ThreadSanitizer in libstdc++ 12.
template <typename T>
class Latest {
 public:
  explicit Latest(std::shared_ptr<const T> first) : value_(std::move(first)) {}
  void store(std::shared_ptr<const T> value) {
    const std::lock_guard lock(mutex_);
    value_.swap(value);
  }
  std::shared_ptr<const T> load() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace polykv
