#include "kernels/simd.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

TEST_CASE("exp_negative is within 1.2e-7 of exp over its whole range, and 1 at 0") {
  double worst = 0;
  float at = 0;
  const auto last = std::bit_cast<std::uint32_t>(-87.0f);
  for (auto bits = std::bit_cast<std::uint32_t>(-1e-9f); bits <= last; bits += 37) {
    const float x = std::bit_cast<float>(bits);
    const double exact = std::exp(static_cast<double>(x));
    const double error = std::abs(polykv::exp_negative(x) - exact) / exact;
    if (!(error <= worst)) worst = error, at = x;
  }
  INFO("worst at " << at << ": " << worst);
  CHECK(worst < 1.2e-7);
  CHECK(polykv::exp_negative(0.0f) == 1.0f);
  CHECK(polykv::exp_negative(-0.0f) == 1.0f);
}

TEST_CASE("exp_negative is 0 far below, also at -infinity, and NaN stays NaN") {
  for (float x : {-87.01f, -104.0f, -1e4f, -1e30f, -std::numeric_limits<float>::infinity()}) {
    INFO(x);
    CHECK(polykv::exp_negative(x) == 0.0f);
  }
  CHECK(std::isnan(polykv::exp_negative(std::numeric_limits<float>::quiet_NaN())));
}
