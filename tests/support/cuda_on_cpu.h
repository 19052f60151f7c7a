#pragma once
// Runs the project's CUDA kernels on the CPU, so that they are tested where there is no GPU.
// Include it, then the .cu file. Blocks run one after another; the threads of a block are fibres
// that meet at __syncthreads or at a warp operation (each with its own wait set). A warp runs as
// far as it gets before the next one starts, and every other block runs backwards.
// Reported as std::logic_error: a thread that left before a meeting, threads at different
// __syncthreads, meetings that can never complete. Not for use from two
// threads at once, nor under ThreadSanitizer, which does not follow fibres.
#define POLYKV_CUDA_ON_CPU
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__ static  // one block at a time; starts with what the block before left behind

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3() = default;
  explicit dim3(unsigned x_size, unsigned y_size = 1, unsigned z_size = 1)
      : x(x_size), y(y_size), z(z_size) {}
};
inline dim3 threadIdx, blockIdx, blockDim, gridDim;
using cudaStream_t = void*;

namespace cuda_on_cpu {

constexpr int kWarpSize = 32;
constexpr std::size_t kStackBytes = 256 * 1024;

enum class State { ready, at_block, at_warp, done };

struct Fibre {
  ucontext_t context;
  State state = State::ready;
  dim3 index;
  unsigned mask = 0;        // at_warp: the lanes it waits for
  int line = 0;             // at_block: which __syncthreads
  unsigned turn = 0;        // warp operations done; its lowest bit picks the slot
  std::uint64_t slot[2]{};  // what it gave to this and to the last warp operation
  std::vector<char> stack = std::vector<char>(kStackBytes);
};

struct Machine {
  ucontext_t scheduler;
  std::vector<Fibre> fibres;  // of the running block; kept between blocks for their stacks
  int threads = 0;
  int current = 0;
  bool backwards = false;  // every other block runs last to first
  std::function<void()> body;
};
inline Machine machine;

// Called on a fibre: back to the scheduler, until it runs the fibre again.
inline void wait(State where) {
  Fibre& self = machine.fibres[machine.current];
  self.state = where;
  swapcontext(&self.context, &machine.scheduler);
}

inline void fibre_main() {
  machine.body();
  wait(State::done);
}

[[noreturn]] inline void report(int thread, const std::string& what) {
  throw std::logic_error("block (" + std::to_string(blockIdx.x) + ", " +
                         std::to_string(blockIdx.y) + "), thread " + std::to_string(thread) + ": " +
                         what);
}

// Lets the lanes of a warp's complete warp operations go on; whether there was one.
inline bool release_warp(int warp) {
  bool released = false;
  const int end = std::min(warp + kWarpSize, machine.threads);
  for (int i = warp; i < end; ++i) {
    if (machine.fibres[i].state != State::at_warp) continue;
    const unsigned mask = machine.fibres[i].mask;
    if (!(mask >> (i - warp) & 1u)) report(i, "is not in the mask of its warp operation");
    bool complete = true;
    for (int lane = 0; lane < kWarpSize; ++lane) {
      if (!(mask >> lane & 1u)) continue;
      if (warp + lane >= end || machine.fibres[warp + lane].state == State::done) {
        report(warp + lane, "left before a warp operation that waits for it");
      }
      const Fibre& fibre = machine.fibres[warp + lane];
      complete = complete && fibre.state == State::at_warp && fibre.mask == mask;
    }
    for (int lane = 0; complete && lane < kWarpSize; ++lane) {
      if (mask >> lane & 1u) machine.fibres[warp + lane].state = State::ready;
    }
    released = released || complete;
  }
  return released;
}

// Runs one warp as far as it gets alone: the further warps run apart, the sooner a missing
// __syncthreads shows.
inline void run_warp(int warp) {
  const int lanes = std::min(kWarpSize, machine.threads - warp);
  do {
    for (int lane = 0; lane < lanes; ++lane) {
      machine.current = warp + (machine.backwards ? lanes - 1 - lane : lane);
      Fibre& fibre = machine.fibres[machine.current];
      if (fibre.state != State::ready) continue;
      threadIdx = fibre.index;
      swapcontext(&machine.scheduler, &fibre.context);
    }
  } while (release_warp(warp));
}

inline void release_block() {
  int waiting = -1;
  for (int i = 0; i < machine.threads; ++i) {
    if (machine.fibres[i].state == State::at_block) waiting = i;
  }
  for (int i = 0; i < machine.threads; ++i) {
    const Fibre& fibre = machine.fibres[i];
    if (fibre.state == State::at_warp) report(i, "waits in a warp operation for ever");
    if (fibre.state == State::done) report(i, "left before a __syncthreads");
    if (fibre.line != machine.fibres[waiting].line) report(i, "waits at another __syncthreads");
  }
  for (int i = 0; i < machine.threads; ++i) machine.fibres[i].state = State::ready;
}

inline void run_block() {
  for (int i = 0; i < machine.threads; ++i) {
    Fibre& fibre = machine.fibres[i];
    fibre.state = State::ready;
    fibre.turn = 0;
    fibre.index.x = i % blockDim.x;
    fibre.index.y = i / blockDim.x % blockDim.y;
    fibre.index.z = i / (blockDim.x * blockDim.y);
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.data();
    fibre.context.uc_stack.ss_size = fibre.stack.size();
    fibre.context.uc_link = nullptr;
    makecontext(&fibre.context, fibre_main, 0);
  }
  const auto end = machine.fibres.begin() + machine.threads;
  const int warps = (machine.threads + kWarpSize - 1) / kWarpSize;
  for (;;) {
    for (int i = 0; i < warps; ++i) {
      run_warp((machine.backwards ? warps - 1 - i : i) * kWarpSize);
    }
    if (std::all_of(machine.fibres.begin(), end,
                    [](const Fibre& fibre) { return fibre.state == State::done; })) {
      return;
    }
    release_block();
  }
}

inline void launch(dim3 grid, dim3 block, cudaStream_t, std::function<void()> body) {
  if (grid.x * grid.y * grid.z == 0 || block.x * block.y * block.z == 0 ||
      block.x * block.y * block.z > 1024 || grid.y > 65535 || grid.z > 65535) {
    throw std::logic_error("a launch CUDA would refuse: wrong grid or block size");
  }
  gridDim = grid;
  blockDim = block;
  machine.threads = static_cast<int>(block.x * block.y * block.z);
  if (machine.fibres.size() < static_cast<std::size_t>(machine.threads)) {
    machine.fibres.resize(machine.threads);
  }
  machine.body = std::move(body);
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        machine.backwards = !machine.backwards;
        run_block();
      }
    }
  }
}

// Meets the other lanes of the mask; afterwards value_of(lane) reads what each of them gave.
inline unsigned meet_warp(unsigned mask, std::uint64_t value) {
  Fibre& self = machine.fibres[machine.current];
  const unsigned slot = self.turn++ & 1u;  // two slots: a fast lane may already give its next value
  self.slot[slot] = value;
  self.mask = mask;
  wait(State::at_warp);
  return slot;
}

inline std::uint64_t value_of(int lane, unsigned slot) {
  return machine.fibres[machine.current / kWarpSize * kWarpSize + lane].slot[slot];
}

}  // namespace cuda_on_cpu

inline void __syncthreads(int line = __builtin_LINE()) {
  cuda_on_cpu::machine.fibres[cuda_on_cpu::machine.current].line = line;
  cuda_on_cpu::wait(cuda_on_cpu::State::at_block);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const unsigned slot = cuda_on_cpu::meet_warp(mask, predicate != 0);
  unsigned votes = 0;
  for (int lane = 0; lane < cuda_on_cpu::kWarpSize; ++lane) {
    if (mask >> lane & 1u && cuda_on_cpu::value_of(lane, slot)) votes |= 1u << lane;
  }
  return votes;
}

inline float __shfl_xor_sync(unsigned mask, float value, int lanes) {
  const unsigned slot = cuda_on_cpu::meet_warp(mask, std::bit_cast<std::uint32_t>(value));
  const int source = (cuda_on_cpu::machine.current % cuda_on_cpu::kWarpSize) ^ lanes;
  return std::bit_cast<float>(static_cast<std::uint32_t>(cuda_on_cpu::value_of(source, slot)));
}

inline int atomicAdd(int* at, int value) {
  const int before = *at;
  *at += value;
  return before;
}
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<std::uint32_t>(value); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
using std::max;
using std::min;

enum cudaError_t { cudaSuccess, cudaErrorMemoryAllocation };
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "out of memory"; }
inline cudaError_t cudaMallocAsync(void** memory, std::size_t bytes, cudaStream_t) {
  *memory = std::malloc(bytes);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*memory, 0xff, bytes);  // NaN: what is read unwritten shows
  return cudaSuccess;
}
inline cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  std::free(memory);
  return cudaSuccess;
}
