#include "core/model/widen.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

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
  for (unsigned bits = 0; bits < 65536; ++bits) {
    unsigned char bytes[3] = {0xff, static_cast<unsigned char>(bits),
                              static_cast<unsigned char>(bits >> 8)};
    float out = 0;
    const bool finite = widen(stored(StoredType::f16, bytes + 1, 2), 0, 1, &out);
    REQUIRE(finite == ((bits & 0x7c00) != 0x7c00));
    if (finite) REQUIRE(double(out) == half_value(bits));
    if (finite) REQUIRE(std::signbit(out) == ((bits & 0x8000) != 0));
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
