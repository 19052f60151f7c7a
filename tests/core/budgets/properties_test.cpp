// What holds for every allocator, over random signals and limits.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>

#include "core/budgets/allocator.h"
#include "core/error.h"

using namespace polykv;
using Catch::Contains;

namespace {

// A signal with every part, so that every allocator can read it.
struct RandomSignal {
  std::mt19937 random;
  explicit RandomSignal(int seed) : random(static_cast<unsigned>(seed)) {}

  int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }
  double spread() {  // over many orders of magnitude
    return std::exp(std::uniform_real_distribution<double>(-8, 8)(random));
  }

  std::vector<double> scores(int tokens) {
    std::vector<double> row;
    for (int t = 0; t < tokens; ++t) row.push_back(spread());
    return row;
  }
  // The curve of what the best t scores hold of all.
  static std::vector<double> curve_of(std::vector<double> scores) {
    std::sort(scores.rbegin(), scores.rend());
    std::vector<double> curve = {0};
    for (const double score : scores) curve.push_back(curve.back() + score);
    const double all = curve.back();
    for (double& value : curve) value /= all;
    return curve;
  }

  Signal make(int layers) {
    Signal signal;
    const int tokens = draw(1, 60), heads = draw(1, 3);
    for (int l = 0; l < layers; ++l) {
      signal.values.push_back(spread());
      signal.variance.push_back(spread());
      Signal::Rows rows, curves;
      for (int h = 0; h < heads; ++h) {
        rows.push_back(scores(tokens));
        curves.push_back(curve_of(rows.back()));
      }
      signal.scores.push_back(rows);
      signal.curves.push_back(curves);
    }
    return signal;
  }
};

// error brings a floor of its own; here it takes the one of the limits.
Params params_for(const Allocator& row) {
  return std::strcmp(row.id, "error") == 0 ? Params{{"floor", 1.0}} : Params{};
}

int sum_of(const std::vector<int>& budgets) {
  return std::accumulate(budgets.begin(), budgets.end(), 0);
}

struct Round {  // one random problem that has a solution
  Signal signal;
  Limits limits;
  int total = 0;
};

Round random_round(int seed) {
  RandomSignal make(seed);
  Round round;
  const int layers = make.draw(1, 24);
  round.signal = make.make(layers);
  round.limits.floor = make.draw(0, 20);
  round.limits.cap = make.draw(0, 3) == 0 ? 0 : round.limits.floor + make.draw(1, 200);
  const int least = std::max(round.limits.floor, 1) * layers;  // error keeps at least 1
  const int most = round.limits.cap > 0 ? round.limits.cap * layers : 20000;
  round.total = make.draw(least, std::max(least, most));
  return round;
}

// Makes one layer need more, in what the allocator reads.
void raise_layer(Signal& signal, int layer, double factor, const Allocator& row) {
  if (row.needs & kValues) signal.values[layer] *= factor;
  if (row.needs & kVariance) signal.variance[layer] *= factor;
  if (row.needs & kScores) {
    for (auto& head : signal.scores[layer]) {
      for (double& score : head) score *= factor;
    }
  }
  if (row.needs & kCurves) {
    // zigzag gives to flat curves, that need many tokens; hull_greedy to steep ones.
    const bool flat_needs = std::strcmp(row.id, "zigzag") == 0;
    for (auto& head : signal.curves[layer]) {
      for (double& value : head) value = flat_needs ? std::pow(value, factor) : value * factor;
    }
  }
}

}  // namespace

TEST_CASE("every allocator spends exactly the total inside floor and cap") {
  for (int seed = 0; seed < 1500; ++seed) {
    const Round round = random_round(seed);
    for (const Allocator& row : allocators()) {
      INFO(row.id << ", seed " << seed << ", total " << round.total << ", floor "
                  << round.limits.floor << ", cap " << round.limits.cap);
      const std::vector<int> budgets =
          row.share(round.total, round.signal, round.limits, params_for(row));
      REQUIRE(static_cast<int>(budgets.size()) == round.signal.layers());
      REQUIRE(sum_of(budgets) == round.total);
      for (const int budget : budgets) {
        REQUIRE(budget >= round.limits.floor);
        if (round.limits.cap > 0) REQUIRE(budget <= round.limits.cap);
      }
    }
  }
}

TEST_CASE("a layer that needs more never gets less than it had") {
  for (int seed = 0; seed < 1500; ++seed) {
    const Round before = random_round(seed);
    const int layer = seed % before.signal.layers();
    const double factor = 1.01 + seed % 7 * 0.4;
    for (const Allocator& row : allocators()) {
      Round after = before;
      raise_layer(after.signal, layer, factor, row);
      const int had = row.share(before.total, before.signal, before.limits, params_for(row))[layer];
      const int gets = row.share(after.total, after.signal, after.limits, params_for(row))[layer];
      INFO(row.id << ", seed " << seed << ", layer " << layer);
      REQUIRE(gets >= had);
    }
  }
}

TEST_CASE("of two layers the one that needs more gets at least as much") {
  for (int seed = 0; seed < 1500; ++seed) {
    const Round round = random_round(seed);
    if (round.signal.layers() < 2) continue;
    const int low = seed % (round.signal.layers() - 1), high = low + 1;
    Signal signal = round.signal;
    signal.values[high] = signal.values[low];
    signal.variance[high] = signal.variance[low];
    signal.curves[high] = signal.curves[low];
    signal.scores[high] = signal.scores[low];
    for (const Allocator& row : allocators()) {
      if (row.needs == kNoPart) continue;
      const auto share = [&](const Signal& of) {
        return row.share(round.total, of, round.limits, params_for(row));
      };
      INFO(row.id << ", seed " << seed);
      // Equal layers differ by rounding alone.
      std::vector<int> budgets = share(signal);
      REQUIRE(std::abs(budgets[high] - budgets[low]) <= 1);
      Signal more = signal;
      raise_layer(more, low, 1.5, row);
      budgets = share(more);
      REQUIRE(budgets[low] >= budgets[high]);
      more = signal;
      raise_layer(more, high, 1.5, row);
      budgets = share(more);
      // Curves or scores that are used up no longer tell layers apart: a tie, to the lower one.
      REQUIRE(budgets[high] >= budgets[low] - (row.needs & (kCurves | kScores) ? 1 : 0));
    }
  }
}

TEST_CASE("budgets move with their layers when the layers change places") {
  for (int seed = 0; seed < 600; ++seed) {
    const Round round = random_round(seed);
    const int layers = round.signal.layers();
    std::vector<int> order(layers);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(static_cast<unsigned>(seed)));
    const Signal moved = round.signal.of_layers(order);
    for (const Allocator& row : allocators()) {
      if (std::strcmp(row.id, "pyramid") == 0) continue;  // goes by depth
      const Params params = params_for(row);
      const std::vector<int> budgets = row.share(round.total, round.signal, round.limits, params);
      const std::vector<int> after = row.share(round.total, moved, round.limits, params);
      INFO(row.id << ", seed " << seed);
      int apart = 0;
      for (int l = 0; l < layers; ++l) {
        apart = std::max(apart, std::abs(after[l] - budgets[order[l]]));
      }
      // Pooled counts and equal shares have equal fractions, which go to the lower layer.
      const bool has_ties = row.needs == kNoPart || row.needs == kScores || row.needs == kCurves;
      REQUIRE(apart <= (has_ties ? 1 : 0));
    }
  }
}

TEST_CASE("extreme signals still give exact budgets inside the limits") {
  const double kHuge = DBL_MAX, kTiny = DBL_TRUE_MIN;
  const std::vector<std::vector<double>> extremes = {
      {0, 0, 0, 0},           {1, 1, 1, 1},         {1, kHuge, 1, 1},
      {kTiny, kTiny, 0, 1e3}, {kTiny, kTiny, 0, 0}, {kHuge, kHuge, kHuge, kHuge},
      {0, 0, 0, kHuge},       {kTiny, kHuge, 1, 0}};
  for (const std::vector<double>& values : extremes) {
    Signal signal(values);
    signal.variance = values;
    for (const double value : values) {
      signal.scores.push_back({{value, value, 0, value}, {value}});
      signal.curves.push_back({{0, value / 2, value}, {0, 0, value}});
    }
    for (const Allocator& row : allocators()) {
      for (const Limits& limits : {Limits{1, 0}, Limits{8, 20}, Limits{0, 16}, Limits{16, 16}}) {
        INFO(row.id << " with " << values[0] << ", " << values[1] << ", " << values[2] << ", "
                    << values[3] << "; cap " << limits.cap);
        const std::vector<int> budgets = row.share(64, signal, limits, params_for(row));
        CHECK(sum_of(budgets) == 64);
        for (const int budget : budgets) {
          CHECK(budget >= limits.floor);
          if (limits.cap > 0) CHECK(budget <= limits.cap);
        }
        if (row.needs == kNoPart || values[0] != values[3]) continue;
        if (values[1] == values[0] && values[2] == values[0]) {
          CHECK(budgets == std::vector<int>(4, 16));
        }
      }
    }
  }
}

TEST_CASE("a number that is no weight is refused by the layer it belongs to") {
  for (const double bad : {double(NAN), double(INFINITY), -1.0}) {
    for (const Allocator& row : allocators()) {
      if (row.needs == kNoPart) continue;
      RandomSignal make(1);
      Signal signal = make.make(4);
      if (row.needs & kVariance) {
        signal.variance[2] = bad;
      } else if (row.needs & kValues) {
        signal.values[2] = bad;
      }
      if (row.needs & kScores) signal.scores[2].back().back() = bad;
      if (row.needs & kCurves) {
        if (bad < 0) continue;  // a measured score may be negative
        signal.curves[2].back().back() = bad;
      }
      INFO(row.id << " with " << bad);
      CHECK_THROWS_WITH(row.share(640, signal), Contains(row.id) && Contains("layer 2"));
    }
  }
}
