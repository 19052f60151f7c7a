#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <random>

#include "core/budgets/allocator.h"
#include "core/error.h"

using namespace polykv;
using Catch::Contains;

namespace {

std::vector<int> share(const char* id, int total, const std::vector<double>& signal,
                       const Limits& limits = {}, const Params& params = {}) {
  return find_allocator(id).share(total, signal, limits, params);
}

int sum_of(const std::vector<int>& budgets) {
  return std::accumulate(budgets.begin(), budgets.end(), 0);
}

}  // namespace

TEST_CASE("every allocator spends exactly the total inside floor and cap") {
  std::mt19937 random(7);
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 3000; ++round) {
    const int layers = draw(1, 40);
    Limits limits;
    limits.floor = draw(0, 20);
    limits.cap = draw(0, 3) == 0 ? 0 : limits.floor + draw(0, 500);
    const int most = limits.cap > 0 ? limits.cap * layers : 100000;
    const int total = draw(limits.floor * layers, std::max(limits.floor * layers, most));
    std::vector<double> signal;
    for (int l = 0; l < layers; ++l) {
      signal.push_back(draw(0, 4) == 0 ? 0 : std::exp(draw(-30, 30) / 3.0));
    }
    for (const Allocator& row : allocators()) {
      const std::vector<int> budgets = row.share(total, signal, limits, {});
      INFO(row.id << ", round " << round << ", total " << total << ", floor " << limits.floor
                  << ", cap " << limits.cap);
      REQUIRE(static_cast<int>(budgets.size()) == layers);
      REQUIRE(sum_of(budgets) == total);
      for (const int budget : budgets) {
        REQUIRE(budget >= limits.floor);
        if (limits.cap > 0) REQUIRE(budget <= limits.cap);
      }
      if (!row.needs_signal) continue;
      for (int a = 0; a < layers; ++a) {
        for (int b = 0; b < layers; ++b) {
          if (signal[a] > signal[b]) REQUIRE(budgets[a] >= budgets[b]);
          if (signal[a] == signal[b] && a < b) {
            REQUIRE((budgets[a] == budgets[b] || budgets[a] == budgets[b] + 1));
          }
        }
      }
    }
  }
}

TEST_CASE("a larger signal never lowers a layer's own budget") {
  std::mt19937 random(11);
  std::uniform_real_distribution<double> draw(0.01, 1);
  for (int round = 0; round < 2000; ++round) {
    std::vector<double> signal;
    for (int l = 0; l < 8; ++l) signal.push_back(draw(random));
    const Limits limits{4, 90};
    const std::vector<int> before = share("proportional", 384, signal, limits);
    const std::size_t layer = round % 8;
    signal[layer] *= 1 + draw(random);
    const std::vector<int> after = share("proportional", 384, signal, limits);
    REQUIRE(after[layer] >= before[layer]);
  }
}

TEST_CASE("proportional moves with its layers when they change places") {
  const std::vector<double> signal = {0.31, 0.02, 0.17, 0.5};
  const std::vector<double> turned = {0.5, 0.31, 0.02, 0.17};
  const std::vector<int> budgets = share("proportional", 257, signal, {8, 100});
  const std::vector<int> moved = share("proportional", 257, turned, {8, 100});
  CHECK(moved == std::vector<int>{budgets[3], budgets[0], budgets[1], budgets[2]});
}

TEST_CASE("uniform gives the odd tokens to the lower layers") {
  CHECK(share("uniform", 384, std::vector<double>(6, 1)) == std::vector<int>(6, 64));
  CHECK(share("uniform", 20, std::vector<double>(6, 1)) == std::vector<int>{4, 4, 3, 3, 3, 3});
}

TEST_CASE("pyramid is the published line above the window") {
  // C = 64, w = 8, beta = 20: base 56, last 2.8, first 109.2; slope 106.4 / 5 = 21.28 a layer.
  // 117.2, 95.92, 74.64, 53.36, 32.08, 10.8: floors 381, the 3 largest fractions get one more.
  CHECK(share("pyramid", 384, std::vector<double>(6, 1)) ==
        std::vector<int>{117, 96, 75, 53, 32, 11});
  // Beta 1 is no slope.
  CHECK(share("pyramid", 384, std::vector<double>(6, 1), {}, {{"beta", 1.0}}) ==
        std::vector<int>(6, 64));
}

TEST_CASE("pyramid is uniform when the mean does not exceed the window") {
  CHECK(share("pyramid", 48, std::vector<double>(6, 1)) == std::vector<int>(6, 8));
  CHECK(share("pyramid", 64, {1.0}) == std::vector<int>{64});
}

TEST_CASE("pyramid clipped by the cap hands the excess to the other layers") {
  const std::vector<int> budgets = share("pyramid", 384, std::vector<double>(6, 1), {1, 80});
  CHECK(sum_of(budgets) == 384);
  CHECK(budgets[0] == 80);
  CHECK(budgets[1] == 80);
  CHECK(std::is_sorted(budgets.rbegin(), budgets.rend()));
}

TEST_CASE("proportional gives the floor and shares the rest by the signal") {
  // 100 - 4 * 10 = 60 in parts 1 : 2 : 3 : 4.
  CHECK(share("proportional", 100, {1, 2, 3, 4}, {10, 0}, {{"eps", 0.0}}) ==
        std::vector<int>{16, 22, 28, 34});
  CHECK(share("proportional", 8, {0, 0, 0, 0}, {}, {{"eps", 0.0}}) == std::vector<int>(4, 2));
}

TEST_CASE("proportional refuses a signal that is no weight, and names the layer") {
  for (const double bad : {-1.0, double(NAN), double(INFINITY)}) {
    CHECK_THROWS_WITH(share("proportional", 64, {1, 2, bad}), Contains("layer 2"));
  }
}

TEST_CASE("rounding gives fractions to the largest remainders, ties to the lower layer") {
  CHECK(round_budgets({1.2, 1.7, 2.6, 1.5}, 7, {}) == std::vector<int>{1, 2, 3, 1});
  CHECK(round_budgets({1.5, 1.5, 1.5, 1.5}, 6, {}) == std::vector<int>{2, 2, 1, 1});
  // 0.1 + 0.2 is a little more than 0.3 in floating point; it is the same remainder all the same.
  CHECK(round_budgets({0.3, 0.1 + 0.2, 0.3, 0.1}, 1, {0, 0}) == std::vector<int>{1, 0, 0, 0});
}

TEST_CASE("rounding spreads what clipping leaves over in equal parts") {
  CHECK(round_budgets({100, 10, 10, 0}, 120, {2, 50}) == std::vector<int>{50, 27, 27, 16});
}

TEST_CASE("a total that does not fit is an input error with both numbers") {
  CHECK_THROWS_WITH(share("uniform", 5, std::vector<double>(6, 1)), Contains("5") && Contains("6"));
  CHECK_THROWS_WITH(share("uniform", 301, std::vector<double>(6, 1), {1, 50}),
                    Contains("301") && Contains("300"));
  CHECK_THROWS_AS(share("uniform", 1, {}), Error);
}

TEST_CASE("an unknown allocator is answered with the nearest one") {
  CHECK_THROWS_WITH(find_allocator("pyramd"), Contains("pyramd") && Contains("'pyramid'"));
  CHECK_THROWS_WITH(find_allocator("zebra"), Contains("uniform, pyramid, proportional"));
}
