#pragma once
// What the plain versions of the kernels share to be fast: loops the compiler vectorises.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

// Hot loops are compiled once per x86-64 level and chosen when the program loads. Sanitizers break
// the load-time choice (it runs before they are set up), other compilers do not know it. The
// functions need names that can be linked: not for anonymous namespaces.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    __GNUC__ >= 12 && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define POLYKV_LEVELS  // target("arch=x86-64-v4") and the like are there
#define POLYKV_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define POLYKV_CLONES
#endif

namespace polykv {

// Floats that begin at a cache line and with any content.
struct FreeFloats {
  void operator()(float* floats) const { ::operator delete[](floats, std::align_val_t{64}); }
};
using Floats = std::unique_ptr<float[], FreeFloats>;
inline Floats make_floats(std::size_t count) {
  return Floats(static_cast<float*>(::operator new[](count * sizeof(float), std::align_val_t{64})));
}

// exp(x) for x <= 0, relative error below 1.2e-7 (one unit in the last place), 0 below -87. No
// branch and no call: it vectorises.
inline float exp_negative(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer below
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;  // |r| <= ln(2) / 2
  float p = 1.0f / 5040;  // Taylor to r^7: the rest is below 1e-8
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const float two_to_n = std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127u) << 23);
  return x < -87.0f ? 0.0f : p * two_to_n;
}

}  // namespace polykv
