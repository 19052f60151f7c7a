#pragma once
// Inputs that try to break a kernel, the same for the plain and the CUDA tests.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/importance.h"
#include "kernels/select.h"

namespace hostile {

constexpr std::int32_t kPositionSentinel = -77;
constexpr float kFloatSentinel = -77.25f;
constexpr int kSentinels = 16;  // written past the end of every output

inline int between(std::mt19937& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

inline std::vector<float> normal_values(std::mt19937& random, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// kind 0: all different; 1: four values; 2: all equal; 3: NaN, both infinities, both zeros, the
// smallest and largest numbers; 4: falling; 5: rising (the worst orders for ties to be broken by).
constexpr int kScoreKinds = 6;
inline std::vector<float> scores(std::mt19937& random, std::size_t count, int kind) {
  using Limits = std::numeric_limits<float>;
  const float odd[] = {Limits::quiet_NaN(),
                       -Limits::quiet_NaN(),
                       Limits::infinity(),
                       -Limits::infinity(),
                       0.0f,
                       -0.0f,
                       Limits::denorm_min(),
                       -Limits::denorm_min(),
                       Limits::max(),
                       Limits::lowest(),
                       1.0f,
                       -1.0f};
  std::vector<float> values = normal_values(random, count);
  for (std::size_t i = 0; i < count; ++i) {
    if (kind == 1) values[i] = static_cast<float>(between(random, -2, 1));
    if (kind == 2) values[i] = 0.25f;
    if (kind == 3) values[i] = odd[between(random, 0, 11)];
    if (kind == 4) values[i] = -static_cast<float>(i / 3);
    if (kind == 5) values[i] = static_cast<float>(i / 3);
  }
  return values;
}

// A random shape of up to `most` tokens; budget and protected tokens may be negative, zero, or far
// more than there are tokens, and may overlap.
inline polykv::SelectShape select_shape(std::mt19937& random, int most) {
  polykv::SelectShape shape;
  shape.rows = between(random, 0, 4);
  shape.tokens = between(random, 1, most);
  shape.budget = between(random, -2, shape.tokens + 3);
  shape.sink =
      between(random, 0, 2) == 0 ? between(random, -1, shape.tokens + 2) : between(random, 0, 4);
  shape.recent =
      between(random, 0, 2) == 0 ? between(random, -1, shape.tokens + 2) : between(random, 0, 8);
  return shape;
}

// The first place where two arrays differ, or -1; NaN equals nothing.
template <class T>
std::ptrdiff_t first_difference(const std::vector<T>& a, const std::vector<T>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (!(a[i] == b[i])) return static_cast<std::ptrdiff_t>(i);
  }
  return a.size() == b.size() ? -1 : static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
}

inline std::string words(const polykv::SelectShape& shape) {
  return "rows " + std::to_string(shape.rows) + ", tokens " + std::to_string(shape.tokens) +
         ", budget " + std::to_string(shape.budget) + ", sink " + std::to_string(shape.sink) +
         ", recent " + std::to_string(shape.recent);
}

inline std::string words(const polykv::ImportanceShape& shape) {
  return "heads " + std::to_string(shape.heads) + ", kv_heads " + std::to_string(shape.kv_heads) +
         ", queries " + std::to_string(shape.queries) + ", keys " + std::to_string(shape.keys) +
         ", dim " + std::to_string(shape.dim) + ", first " + std::to_string(shape.first);
}

}  // namespace hostile
