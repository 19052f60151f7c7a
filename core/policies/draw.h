#pragma once
// Draws that depend on what is drawn for, not on the order of drawing.
#include <cstdint>

namespace polykv {

// splitmix64 (public domain, Vigna).
inline std::uint64_t mixed_bits(std::uint64_t z) {
  z += 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// In [0, 1), 24 bits, one for every seed, layer, position and head.
inline float uniform_draw(std::uint64_t seed, int layer, std::int64_t position, int head = 0) {
  const std::uint64_t stream =
      mixed_bits(mixed_bits(seed) ^ (static_cast<std::uint64_t>(layer) << 32) ^
                 static_cast<std::uint64_t>(head));
  return static_cast<float>(mixed_bits(stream ^ static_cast<std::uint64_t>(position)) >> 40) *
         0x1p-24f;
}

}  // namespace polykv
