#pragma once
// Inputs that try to break a kernel, the same for the plain and the CUDA tests.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/attention.h"
#include "kernels/importance.h"
#include "kernels/matvec.h"
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

// One weight of a matrix, as wild as its type is narrow.
template <class Number>
Number weight(std::mt19937& random) {
  if constexpr (std::is_same_v<Number, float>) {
    return std::normal_distribution<float>()(random);
  } else if constexpr (std::is_same_v<Number, polykv::Bf16>) {  // both signs, 2^-8 to 2^2
    return {static_cast<std::uint16_t>(between(random, 0, 1) << 15 |
                                       between(random, 119, 128) << 7 | between(random, 0, 127))};
  } else {  // both signs, subnormal numbers up to 4
    return {static_cast<std::uint16_t>(between(random, 0, 1) << 15 | between(random, 0, 16) << 10 |
                                       between(random, 0, 1023))};
  }
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

inline std::string words(const polykv::AttentionShape& shape) {
  return "heads " + std::to_string(shape.heads) + ", kv_heads " + std::to_string(shape.kv_heads) +
         ", queries " + std::to_string(shape.queries) + ", dim " + std::to_string(shape.dim);
}

// One attention problem: kv heads of the given lengths lie in the flat rows in any order, with gaps
// of NaN between them, which no query may read.
struct AttentionInputs {
  polykv::AttentionShape shape;
  std::vector<std::int64_t> starts;
  std::vector<int> lengths;
  std::vector<float> queries, keys, values;
  std::int64_t row_stride = 0;
};

inline AttentionInputs attention_inputs(std::mt19937& random, const polykv::AttentionShape& shape,
                                        const std::vector<int>& lengths) {
  AttentionInputs in{shape, std::vector<std::int64_t>(lengths.size()), lengths, {}, {}, {}, 0};
  in.queries =
      normal_values(random, static_cast<std::size_t>(shape.heads) * shape.queries * shape.dim);
  std::vector<std::size_t> order(lengths.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  std::int64_t rows = 0;
  for (const std::size_t kv_head : order) {
    rows += between(random, 0, 2);
    in.starts[kv_head] = rows;
    rows += lengths[kv_head];
    in.row_stride = std::max<std::int64_t>(in.row_stride, lengths[kv_head]);
  }
  in.row_stride += between(random, 0, 3);
  const std::size_t size = static_cast<std::size_t>(rows) * shape.dim;
  in.keys.assign(size, std::numeric_limits<float>::quiet_NaN());
  in.values = in.keys;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const std::size_t count = static_cast<std::size_t>(lengths[i]) * shape.dim;
    const auto keys = normal_values(random, count), values = normal_values(random, count);
    std::copy(keys.begin(), keys.end(), in.keys.begin() + in.starts[i] * shape.dim);
    std::copy(values.begin(), values.end(), in.values.begin() + in.starts[i] * shape.dim);
  }
  return in;
}

// Kv heads of random lengths, from `queries` (no older rows) to `queries` + most.
inline AttentionInputs attention_inputs(std::mt19937& random, int most) {
  polykv::AttentionShape shape;
  shape.kv_heads = between(random, 1, 4);
  shape.heads = shape.kv_heads * between(random, 1, 6);
  shape.queries = between(random, 0, 2) == 0 ? between(random, 1, 20) : 1;
  shape.dim = between(random, 1, 140);
  shape.scale = 1.0f / std::sqrt(static_cast<float>(shape.dim));
  std::vector<int> lengths(shape.kv_heads);
  for (int& length : lengths) {
    length = shape.queries + (between(random, 0, 3) == 0 ? 0 : between(random, 0, most));
  }
  return attention_inputs(random, shape, lengths);
}

}  // namespace hostile
