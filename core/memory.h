#pragma once
// How much memory there is to take.
#include <cstdint>
#include <string>

namespace polykv {

// Bytes this process may still take without swapping: MemAvailable, or what the tightest memory
// cgroup (version 1 or 2) around it leaves when that is less; 0 = unknown. root stands before every
// path that is read.
std::int64_t free_memory_bytes(const std::string& root = "");

}  // namespace polykv
