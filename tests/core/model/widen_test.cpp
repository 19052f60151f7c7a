#include "core/model/widen.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "tests/support/flush_denormals.h"

using namespace polykv;

namespace {

// The value of an IEEE half by its definition.
double half_value(unsigned bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double size =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

StoredTensor stored(StoredType type, const unsigned char* data, std::size_t bytes) {
  return {type, {}, data, bytes};
}

}  // namespace

TEST_CASE("every finite half becomes its exact value, also from unaligned bytes") {
  for (const bool flushed : {false, true}) {
    for (unsigned bits = 0; bits < 65536; ++bits) {
      unsigned char bytes[3] = {0xff, static_cast<unsigned char>(bits),
                                static_cast<unsigned char>(bits >> 8)};
      float out = 0;
      bool finite = false;
      if (flushed) {
        const FlushDenormals mode;
        finite = widen(stored(StoredType::f16, bytes + 1, 2), 0, 1, &out);
      } else {
        finite = widen(stored(StoredType::f16, bytes + 1, 2), 0, 1, &out);
      }
      REQUIRE(finite == ((bits & 0x7c00) != 0x7c00));
      if (finite) REQUIRE(double(out) == half_value(bits));
      if (finite) REQUIRE(std::signbit(out) == ((bits & 0x8000) != 0));
    }
  }
}

TEST_CASE("bf16 and fp32 keep their bits and name what is not finite") {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    unsigned char bytes[2] = {static_cast<unsigned char>(bits),
                              static_cast<unsigned char>(bits >> 8)};
    float out = 0;
    const bool finite = widen(stored(StoredType::bf16, bytes, 2), 0, 1, &out);
    const float want = std::bit_cast<float>(bits << 16);
    REQUIRE(finite == std::isfinite(want));
    if (finite) REQUIRE(out == want);
  }
  for (const float value : {0.0f, -1.5f, 1e-40f, 3e38f, INFINITY, NAN}) {
    unsigned char bytes[4];
    std::memcpy(bytes, &value, 4);
    float out = 7;
    CHECK(widen(stored(StoredType::f32, bytes, 4), 0, 1, &out) == std::isfinite(value));
    if (std::isfinite(value)) CHECK(out == value);
  }
}

TEST_CASE("narrowing picks the nearest number, the even one of two as near") {
  std::mt19937 random(5);
  for (int i = 0; i < 200000; ++i) {
    // Any fp16 number, exactly between two of them, or near by.
    const unsigned base = random() % 0x7bffu;
    double want = half_value(base);
    if (i % 3 > 0) want = (want + half_value(base + 1)) / 2;
    float value = static_cast<float>(want);
    if (i % 3 > 1) value = std::nextafterf(value, i % 2 ? 0.0f : INFINITY);
    if (random() % 2) value = -value;
    unsigned char bytes[4];
    std::memcpy(bytes, &value, 4);
    std::uint16_t half = 0, upper = 0;
    REQUIRE(convert(stored(StoredType::f32, bytes, 4), 0, 1, StoredType::f16, &half));
    REQUIRE(convert(stored(StoredType::f32, bytes, 4), 0, 1, StoredType::bf16, &upper));
    INFO(value);
    REQUIRE(std::signbit(value) == (half >> 15 == 1));
    const auto upper_value = [](unsigned bits) {
      return double(std::bit_cast<float>(std::uint32_t{bits} << 16));
    };
    const auto nearest = [&](unsigned bits, const auto& value_of) {
      const double gap = std::abs(value_of(bits) - value);
      for (const int step : {-1, 1}) {
        if ((bits & 0x7fff) == 0 && step < 0) continue;
        const double other = std::abs(value_of(bits + step) - value);
        if (other < gap || (other == gap && bits % 2 != 0)) return false;
      }
      return true;
    };
    REQUIRE((half & 0x7fff) <= 0x7bff);
    if ((half & 0x7fff) < 0x7bff) REQUIRE(nearest(half, half_value));
    REQUIRE(nearest(upper, upper_value));
  }
}
