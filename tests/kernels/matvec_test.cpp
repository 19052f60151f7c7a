#include "kernels/matvec.h"

#include <bit>
#include <catch2/catch.hpp>

#include "tests/kernels/hostile.h"

namespace {

// Every finite fp16 number, from its definition.
double value_of(polykv::Fp16 half) {
  const int exponent = half.bits >> 10 & 31, fraction = half.bits & 1023;
  const double size =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return half.bits & 0x8000 ? -size : size;
}
double value_of(polykv::Bf16 value) {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}
double value_of(float value) { return value; }

template <class Number>
void compare(const char* name) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    polykv::MatvecShape shape{.tokens = hostile::between(random, 0, 5),
                              .rows = hostile::between(random, 1, 21),
                              .columns = hostile::between(random, 1, 70)};
    const auto x =
        hostile::normal_values(random, static_cast<std::size_t>(shape.tokens) * shape.columns);
    std::vector<Number> weight(static_cast<std::size_t>(shape.rows) * shape.columns);
    for (Number& w : weight) w = hostile::weight<Number>(random);
    const std::size_t size = static_cast<std::size_t>(shape.tokens) * shape.rows;
    std::vector<float> out(size + hostile::kSentinels, hostile::kFloatSentinel), halves = out;
    polykv::matvec_cpu(x.data(), weight.data(), shape, 0, shape.rows, out.data());
    const int cut = shape.rows / 2 / 4 * 4;  // as threads share the rows
    polykv::matvec_cpu(x.data(), weight.data(), shape, cut, shape.rows, halves.data());
    polykv::matvec_cpu(x.data(), weight.data(), shape, 0, cut, halves.data());
    INFO(name << ", seed " << seed << ", tokens " << shape.tokens << ", rows " << shape.rows
              << ", columns " << shape.columns);
    REQUIRE(hostile::first_difference(out, halves) == -1);
    for (int t = 0; t < shape.tokens; ++t) {
      for (int r = 0; r < shape.rows; ++r) {
        double sum = 0, size_sum = 0;
        for (int c = 0; c < shape.columns; ++c) {
          const double part = value_of(weight[r * shape.columns + c]) * x[t * shape.columns + c];
          sum += part;
          size_sum += std::abs(part);
        }
        // 2^-24 for each of at most 10 roundings on the way of a product into the sum.
        REQUIRE(std::abs(out[t * shape.rows + r] - sum) <= 1e-6 * size_sum + 1e-30);
      }
    }
    for (int i = 0; i < hostile::kSentinels; ++i) {
      REQUIRE(out[size + i] == hostile::kFloatSentinel);
    }
  }
}

}  // namespace

TEST_CASE("matvec is the product in double precision for fp32, bf16 and fp16 weights") {
  compare<float>("fp32");
  compare<polykv::Bf16>("bf16");
  compare<polykv::Fp16>("fp16");
}
