#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <numeric>

#include "core/budgets/allocator.h"
#include "core/error.h"
#include "tests/support/goldens.h"

using namespace polykv;
using Catch::Contains;

namespace {

std::vector<int> share(const char* id, int total, const Signal& signal, const Limits& limits = {},
                       const Params& params = {}) {
  return find_allocator(id).share(total, signal, limits, params);
}

int sum_of(const std::vector<int>& budgets) {
  return std::accumulate(budgets.begin(), budgets.end(), 0);
}

}  // namespace

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
  CHECK(share("pyramid", 64, Signal({1.0})) == std::vector<int>{64});
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
  CHECK(share("proportional", 100, Signal({1, 2, 3, 4}), {10, 0}, {{"eps", 0.0}}) ==
        std::vector<int>{16, 22, 28, 34});
  CHECK(share("proportional", 8, Signal({0, 0, 0, 0}), {}, {{"eps", 0.0}}) ==
        std::vector<int>(4, 2));
}

TEST_CASE("cake shares in proportion to the powers of entropy and variance") {
  Signal signal({1, 4, 4});
  signal.variance = {1, 1, 9};
  // 1 : 4 : 36 with tau 1; square roots 1 : 2 : 6 with tau 2.
  CHECK(share("cake", 82, signal) == std::vector<int>{2, 8, 72});
  CHECK(share("cake", 90, signal, {}, {{"tau1", 2.0}, {"tau2", 2.0}}) ==
        std::vector<int>{10, 20, 60});
  // No variance, no preference; all alike when no layer has one.
  signal.variance = {0, 0, 9};
  CHECK(share("cake", 80, signal, {2, 0}) == std::vector<int>{2, 2, 76});
  signal.variance = {0, 0, 0};
  CHECK(share("cake", 81, signal) == std::vector<int>{27, 27, 27});
}

TEST_CASE("error gives the published CompressKV budgets of Qwen2.5-7B") {
  // Section 3 of the specification: errors and budgets as printed, B = 256, 28 layers.
  const Signal errors({.01515, .02922, .05097, .03351, .05196, .04742, .02111,
                       .03262, .05292, .04241, .02517, .04218, .04038, .02748,
                       .05255, .03851, .04806, .04340, .02905, .03376, .02794,
                       .02979, .04997, .03212, .02919, .03007, .03138, .01169});
  CHECK(share("error", 7168, errors) ==
        std::vector<int>{127, 215, 352, 242, 358, 329, 164, 237, 365, 298, 190, 297, 285, 204,
                         362, 274, 333, 304, 214, 244, 207, 219, 345, 233, 215, 221, 229, 105});
}

TEST_CASE("error equals the reference allocation for every case of the fixtures") {
  int compared = 0;
  for (const Json& line : read_json_file(golden("compresskv/allocation.json"))) {
    const auto errors = line.at("errors").get<std::vector<double>>();
    const int mean = line.at("mean_budget"), layers = static_cast<int>(errors.size());
    INFO(line.at("label") << ", B = " << mean);
    if (line.at("unspent") != 0) {  // B below the floor: the reference overspends, we refuse
      CHECK_THROWS_WITH(share("error", mean * layers, errors), Contains("floor cannot be met"));
    } else {
      CHECK(share("error", mean * layers, errors) == line.at("budgets").get<std::vector<int>>());
    }
    ++compared;
  }
  CHECK(compared == 12);
}

TEST_CASE("error rounds halves to even and hands the rest to the largest error first") {
  // Spare 130 - 4 * 32 = 2: shares 0.5 + 0.5 + 0.5 + 0.5, all to 0; the first two get one each.
  CHECK(share("error", 130, Signal({.25, .25, .25, .25})) == std::vector<int>{33, 33, 32, 32});
  // Floor 8, spare 6: 1.5 to 2 and 4.5 to 4.
  CHECK(share("error", 22, Signal({.25, .75}), {}, {{"floor", 8.0}}) == std::vector<int>{10, 12});
  // Cap 3 * 40 = 120: one layer is full, 40 are left for two layers in turns, the larger first.
  CHECK(share("error", 160, Signal({.02, .97, .01, 0}), {}, {{"floor", 8.0}}) ==
        std::vector<int>{15, 120, 13, 12});
}

TEST_CASE("error takes sums that are not 1 in proportion, and every error 0 as equal") {
  CHECK(share("error", 400, Signal({3, 1, 1, 1})) ==
        share("error", 400, Signal({.5, 1 / 6., 1 / 6., 1 / 6.})));
  CHECK(share("error", 400, Signal({0, 0, 0, 0})) == std::vector<int>(4, 100));
}

TEST_CASE("zigzag shares by the tokens that hold tau of the mass, mean over the heads") {
  Signal signal;
  signal.curves = {{{0, .5, .9, 1}, {0, .9, 1, 1}},               // 2 and 1 tokens
                   {{0, .3, .6, .9, 1}, {0, .15, .3, .45, .5}}};  // 3 and 3
  CHECK(share("zigzag", 100, signal, {5, 0}) == std::vector<int>{35, 65});
  // Curves at chosen budgets are straight lines in between: .9 lies half way from 8 to 16.
  signal.curves = {{{.8, 1}}, {{.9, 1}}};
  signal.at = {8, 16};
  CHECK(share("zigzag", 50, signal, {5, 0}) == std::vector<int>{29, 21});
}

TEST_CASE("hull_greedy spends as well as the best of all allocations when curves are concave") {
  std::srand(3);
  for (int round = 0; round < 50; ++round) {
    Signal signal;
    for (int l = 0; l < 3; ++l) {
      std::vector<double> gains;
      for (int t = 0; t < 8; ++t) gains.push_back(std::rand() % 1000);
      std::sort(gains.rbegin(), gains.rend());
      std::vector<double> curve = {0};
      for (const double gain : gains) curve.push_back(curve.back() + gain);
      signal.curves.push_back({curve});
    }
    const auto value = [&](int l, int tokens) { return signal.curves[l][0][tokens]; };
    double best = -1;
    for (int a = 1; a <= 8; ++a) {
      for (int b = 1; b <= 8; ++b) {
        const int c = 12 - a - b;
        if (c >= 1 && c <= 8) best = std::max(best, value(0, a) + value(1, b) + value(2, c));
      }
    }
    const std::vector<int> got = share("hull_greedy", 12, signal, {1, 8});
    INFO("round " << round << ": " << got[0] << ", " << got[1] << ", " << got[2]);
    CHECK(value(0, got[0]) + value(1, got[1]) + value(2, got[2]) == best);
  }
}

TEST_CASE("hull_greedy looks past a dent of a curve to the steeper stretch behind it") {
  Signal signal;  // the second layer gains nothing for 2 tokens, then 30 at once: 10 a token
  signal.curves = {{{0, 6, 12, 18, 24}}, {{0, 0, 0, 30, 30}}};
  CHECK(share("hull_greedy", 4, signal, {0, 4}) == std::vector<int>{1, 3});
  // Points at chosen budgets; what lies before the first one is bought first.
  signal.curves = {{{.5, .6}}, {{.5, .9}}};
  signal.at = {8, 32};
  CHECK(share("hull_greedy", 40, signal) == std::vector<int>{8, 32});
}

TEST_CASE("global_topk counts whose scores are among the best of all layers and heads") {
  Signal signal;  // two heads each: 6 tokens per head are 12 of the 16 scores
  signal.scores = {{{9, 8, 7, 6}, {9, 8, 7, 6}}, {{5, 1, 1, 1}, {5, 4, 4, 4}}};
  CHECK(share("global_topk", 6, signal) == std::vector<int>{4, 2});  // 8 and 4 of the 12
  CHECK(share("global_topk", 6, signal, {1, 3}) == std::vector<int>{3, 3});
  // The floor takes a layer's own best scores, the pool the rest.
  signal.scores = {{{9, 9, 9, 9, 9}}, {{3, 2, 1, 0, 0}}};
  CHECK(share("global_topk", 6, signal, {2, 0}) == std::vector<int>{4, 2});
  // What a full layer cannot take goes to the next best scores, not to all alike.
  Signal ranks;
  for (const double score : {9, 5, 1}) ranks.scores.push_back({std::vector<double>(8, score)});
  CHECK(share("global_topk", 10, ranks, {2, 4}) == std::vector<int>{4, 4, 2});
  // More tokens than scores: the rest goes to both alike.
  CHECK(share("global_topk", 12, signal) == std::vector<int>{6, 6});
}

TEST_CASE("an allocator refuses a signal without the part it reads, and names it") {
  CHECK_THROWS_WITH(share("cake", 64, Signal({1, 2})), Contains("cake") && Contains("'variance'"));
  CHECK_THROWS_WITH(share("zigzag", 64, Signal({1, 2})), Contains("'curves'"));
  CHECK_THROWS_WITH(share("global_topk", 64, Signal({1, 2})), Contains("'scores'"));
  Signal uneven({1, 2});
  uneven.variance = {1, 2, 3};
  CHECK_THROWS_WITH(share("cake", 64, uneven), Contains("2 layers") && Contains("found 3"));
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
  CHECK_THROWS_AS(share("uniform", 1, Signal()), Error);
}

TEST_CASE("an unknown allocator is answered with the nearest one") {
  CHECK_THROWS_WITH(find_allocator("pyramd"), Contains("pyramd") && Contains("'pyramid'"));
  CHECK_THROWS_WITH(find_allocator("zebra"), Contains("uniform, pyramid, proportional"));
}
