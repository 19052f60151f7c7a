#pragma once
// The kernels beside what LibTorch has for the same work. Plain facade over torch.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace polykv {

struct KernelSpeed {
  std::string kernel, shape;
  const char* unit = "";             // "GB/s" or "GFLOP/s"
  double work = 0;                   // bytes or operations of one call, in 1e9
  double ours_ms = 0, torch_ms = 0;  // medians

  double ours() const { return work / ours_ms * 1e3; }
  double torch() const { return work / torch_ms * 1e3; }
};

// Every kernel on the numbers of one 8B-like layer, both sides in turns and on all threads, the
// first turn of each not counted. `begins` is told which kernel comes next.
std::vector<KernelSpeed> kernel_speeds(int repeats, std::uint64_t seed,
                                       const std::function<void(const std::string&)>& begins);

}  // namespace polykv
