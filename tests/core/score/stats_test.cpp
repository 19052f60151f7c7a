#include "core/score/stats.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace polykv;

TEST_CASE("the t interval uses the published 97.5% points") {
  // n values -1, +1, -1, ... have a spread that is easy to state; half / (s / sqrt(n)) is t.
  const std::pair<int, double> published[] = {{1, 12.706}, {2, 4.303},   {3, 3.182},   {4, 2.776},
                                              {5, 2.571},  {10, 2.228},  {15, 2.131},  {30, 2.042},
                                              {60, 2.000}, {100, 1.984}, {1000, 1.962}};
  for (const auto& [df, t] : published) {
    const int n = df + 1;
    std::vector<double> values;
    for (int i = 0; i < n; ++i) values.push_back(i % 2 == 0 ? -1 : 1);
    const double mean = n % 2 == 0 ? 0 : -1.0 / n;
    const double spread = std::sqrt((n - n * mean * mean) / df);
    const Estimate estimate = mean_with_t(values);
    INFO("degrees of freedom " << df);
    CHECK(estimate.n == n);
    CHECK(estimate.value == Approx(mean).margin(1e-12));
    CHECK((estimate.high - estimate.value) / (spread / std::sqrt(n)) == Approx(t).margin(6e-4));
    CHECK(estimate.high - estimate.value == Approx(estimate.value - estimate.low));
  }
}

TEST_CASE("a mean of one value has an infinite interval, of none no interval") {
  const Estimate one = mean_with_t({3.5});
  CHECK(one.value == 3.5);
  CHECK(one.low == -INFINITY);
  CHECK(one.high == INFINITY);
  CHECK(one.n == 1);
  CHECK(mean_with_t({}).n == 0);
}

TEST_CASE("equal values have an interval of width zero") {
  const Estimate same = mean_with_t({2, 2, 2});
  CHECK(same.low == Approx(2));
  CHECK(same.high == Approx(2));
}

TEST_CASE("the Wilson ends are where the score test just rejects") {
  // Definition: |p - e| = z sqrt(e (1 - e) / n) at both ends e.
  const double z = 1.959963984540054;
  for (const auto& [k, n] : {std::pair{8, 16}, {1, 10}, {199, 200}, {3, 7}}) {
    const Estimate rate = wilson(k, n);
    CHECK(rate.value == Approx(static_cast<double>(k) / n));
    for (const double end : {rate.low, rate.high}) {
      CHECK(std::abs(rate.value - end) == Approx(z * std::sqrt(end * (1 - end) / n)));
    }
    CHECK(rate.low < rate.value);
    CHECK(rate.high > rate.value);
  }
  // A textbook value: 10 of 10 gives [0.7225, 1].
  CHECK(wilson(10, 10).low == Approx(0.7225).margin(5e-5));
}

TEST_CASE("the interval of a rate stays inside [0, 1] and holds the rate") {
  CHECK(wilson(0, 16).low == 0);
  CHECK(wilson(0, 16).high > 0.1);
  CHECK(wilson(16, 16).high == 1);
  CHECK(wilson(16, 16).low < 0.9);
  CHECK(wilson(0, 0).n == 0);
  for (int n = 1; n < 60; ++n) {
    for (int k = 0; k <= n; ++k) {
      const Estimate rate = wilson(k, n);
      REQUIRE((0 <= rate.low && rate.low <= rate.value));
      REQUIRE((rate.value <= rate.high && rate.high <= 1));
    }
  }
}
