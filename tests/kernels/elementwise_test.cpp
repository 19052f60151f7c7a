#include "kernels/elementwise.h"

#include <catch2/catch.hpp>

#include "tests/kernels/hostile.h"

namespace {

constexpr double kClose = 2e-6;  // relative to the largest number of the row

void check_rows(const std::vector<float>& out, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    REQUIRE(std::abs(out[i] - expected[i]) <= kClose * std::max(1.0, std::abs(expected[i])));
  }
  for (std::size_t i = expected.size(); i < out.size(); ++i) {
    REQUIRE(out[i] == hostile::kFloatSentinel);
  }
}

std::vector<float> with_sentinels(std::size_t size) {
  return std::vector<float>(size + hostile::kSentinels, hostile::kFloatSentinel);
}

double inverse_rms(const float* x, int count, double eps) {
  double squares = 0;
  for (int i = 0; i < count; ++i) squares += double(x[i]) * x[i];
  return 1 / std::sqrt(squares / count + eps);
}

}  // namespace

TEST_CASE("rms_norm divides every row by its root mean square") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const int rows = hostile::between(random, 0, 4), columns = hostile::between(random, 1, 70);
    const float eps = 1e-5f;
    const auto x = hostile::normal_values(random, static_cast<std::size_t>(rows) * columns);
    const auto weight = hostile::normal_values(random, columns);
    auto out = with_sentinels(x.size());
    std::vector<double> expected;
    for (int r = 0; r < rows; ++r) {
      const double scale = inverse_rms(&x[r * columns], columns, eps);
      for (int c = 0; c < columns; ++c) {
        expected.push_back(x[r * columns + c] * scale * weight[c]);
      }
    }
    INFO("seed " << seed << ", rows " << rows << ", columns " << columns);
    polykv::rms_norm_cpu(x.data(), weight.data(), rows, columns, eps, out.data());
    check_rows(out, expected);
  }
}

TEST_CASE("silu_gate multiplies x / (1 + exp(-x)) of the first half with the second") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const int rows = hostile::between(random, 0, 4), columns = hostile::between(random, 1, 70);
    auto x = hostile::normal_values(random, 2 * static_cast<std::size_t>(rows) * columns);
    for (float& value : x) value *= seed % 3 == 0 ? 40.0f : 3.0f;  // up to where exp(-x) is 0
    auto out = with_sentinels(x.size() / 2);
    std::vector<double> expected;
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) {
        const double gate = x[2 * r * columns + c], up = x[(2 * r + 1) * columns + c];
        expected.push_back(gate / (1 + std::exp(-gate)) * up);
      }
    }
    INFO("seed " << seed << ", rows " << rows << ", columns " << columns);
    polykv::silu_gate_cpu(x.data(), rows, columns, out.data());
    check_rows(out, expected);
  }
}

TEST_CASE("split_heads turns queries and keys, copies values, and puts heads first") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    polykv::HeadShape shape;
    shape.heads = hostile::between(random, 0, 3);
    shape.kv_heads = hostile::between(random, 0, 3);
    shape.dim = 2 * hostile::between(random, 1, 20);
    shape.tokens = hostile::between(random, 0, 4);
    shape.eps = 1e-6f;
    const int half = shape.dim / 2, all = shape.heads + 2 * shape.kv_heads, d = shape.dim;
    const int q_stride = d * (shape.tokens + 1), kv_stride = d * (shape.tokens + 2);
    const auto qkv = hostile::normal_values(random, std::size_t(shape.tokens) * all * d);
    const auto cos = hostile::normal_values(random, std::size_t(shape.tokens) * half);
    const auto sin = hostile::normal_values(random, cos.size());
    const auto q_norm = hostile::normal_values(random, d),
               k_norm = hostile::normal_values(random, d);
    const bool norms = seed % 2 == 0;
    if (norms) shape.q_norm = q_norm.data(), shape.k_norm = k_norm.data();
    auto q = with_sentinels(std::size_t(shape.heads) * q_stride), expected_q = q;
    auto k = with_sentinels(std::size_t(shape.kv_heads) * kv_stride), v = k, expected_k = k,
         expected_v = k;
    for (int t = 0; t < shape.tokens; ++t) {
      for (int head = 0; head < all; ++head) {
        const float* x = &qkv[(t * all + head) * d];
        const bool is_q = head < shape.heads, is_k = !is_q && head < shape.heads + shape.kv_heads;
        const int at = is_q   ? head
                       : is_k ? head - shape.heads
                              : head - shape.heads - shape.kv_heads;
        float* out = (is_q ? &expected_q[at * q_stride]
                           : (is_k ? &expected_k : &expected_v)->data() + at * kv_stride) +
                     t * d;
        std::vector<double> normed(x, x + d);
        for (int i = 0; norms && (is_q || is_k) && i < d; ++i) {
          normed[i] *= inverse_rms(x, d, 1e-6) * (is_q ? q_norm : k_norm)[i];
        }
        for (int i = 0; i < half; ++i) {
          const double c = is_q || is_k ? cos[t * half + i] : 1,
                       s = is_q || is_k ? sin[t * half + i] : 0;
          out[i] = static_cast<float>(normed[i] * c - normed[i + half] * s);
          out[i + half] = static_cast<float>(normed[i + half] * c + normed[i] * s);
        }
      }
    }
    INFO("seed " << seed << ", heads " << shape.heads << ", kv_heads " << shape.kv_heads << ", dim "
                 << d << ", tokens " << shape.tokens);
    polykv::split_heads_cpu(qkv.data(), shape, cos.data(), sin.data(), q.data(), q_stride, k.data(),
                            v.data(), kv_stride);
    REQUIRE(hostile::first_difference(v, expected_v) == -1);
    for (std::size_t i = 0; i < q.size(); ++i) REQUIRE(std::abs(q[i] - expected_q[i]) <= 5e-6);
    for (std::size_t i = 0; i < k.size(); ++i) REQUIRE(std::abs(k[i] - expected_k[i]) <= 5e-6);
  }
}
