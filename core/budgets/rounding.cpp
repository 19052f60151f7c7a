#include "core/budgets/rounding.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>

namespace polykv {
namespace {

double clip(double share, const Bounds& bounds, std::size_t layer) {
  return std::clamp<double>(share, bounds.low[layer], bounds.high[layer]);
}

double sum_of(const std::vector<double>& shares) {
  return std::accumulate(shares.begin(), shares.end(), 0.0);
}

// Halves [low, high] until `value_at(x)`, which grows with x, is as close to `wanted` as it gets.
template <typename Function>
double solve(double low, double high, double wanted, Function value_at) {
  for (int step = 0; step < 200; ++step) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (value_at(middle) < wanted ? low : high) = middle;
  }
  return high;
}

void check_fit(std::size_t layers, int total, const Bounds& bounds) {
  const auto sum = [](const std::vector<int>& of) {
    return std::accumulate(of.begin(), of.end(), std::int64_t{0});
  };
  if (bounds.low.size() != layers || bounds.high.size() != layers || sum(bounds.low) > total ||
      sum(bounds.high) < total) {
    throw std::logic_error("the total does not fit the limits of the layers");
  }
}

}  // namespace

std::vector<int> round_within(const std::vector<double>& shares, int total, const Bounds& bounds) {
  check_fit(shares.size(), total, bounds);
  const auto moved = [&](double by) {
    std::vector<double> result = shares;
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = clip(shares[i] + by, bounds, i);
    return result;
  };
  std::vector<double> fitted = moved(0);
  if (std::abs(sum_of(fitted) - total) > 1e-7) {
    double low = 0, high = 0;  // far enough that every layer is clipped
    for (std::size_t i = 0; i < shares.size(); ++i) {
      low = std::min(low, bounds.low[i] - shares[i]);
      high = std::max(high, bounds.high[i] - shares[i]);
    }
    fitted = moved(solve(low, high, total, [&](double by) { return sum_of(moved(by)); }));
  }

  std::vector<int> budgets(shares.size());
  std::vector<double> remainder(shares.size());
  std::int64_t left = total;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    // Steps of 2^-30: equal remainders stay equal whatever arithmetic made them.
    const double share = std::round(std::ldexp(fitted[i], 30));
    budgets[i] = static_cast<int>(std::floor(std::ldexp(share, -30)));
    remainder[i] = std::ldexp(share, -30) - budgets[i];
    left -= budgets[i];
  }
  std::vector<std::size_t> order(shares.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder[a] > remainder[b]; });
  // One round does it but for arithmetic noise.
  while (left != 0) {
    for (const std::size_t i : order) {
      if (left > 0 && budgets[i] < bounds.high[i]) ++budgets[i], --left;
      if (left < 0 && budgets[i] > bounds.low[i]) --budgets[i], ++left;
    }
  }
  return budgets;
}

std::vector<double> scale_within(std::vector<double> weights, int total, const Bounds& bounds) {
  check_fit(weights.size(), total, bounds);
  if (std::none_of(weights.begin(), weights.end(), [](double w) { return w > 0; })) {
    std::fill(weights.begin(), weights.end(), 1.0);
  }
  const auto scaled = [&](double factor) {
    std::vector<double> result = weights;
    for (std::size_t i = 0; i < result.size(); ++i)
      result[i] = clip(weights[i] * factor, bounds, i);
    return result;
  };
  const double plain = total / sum_of(weights);
  if (std::abs(sum_of(scaled(plain)) - total) < 1e-7) return scaled(plain);
  double smallest = weights[0], largest = 1;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0 && (smallest <= 0 || weights[i] < smallest)) smallest = weights[i];
    largest = std::max<double>(largest, bounds.high[i]);
  }
  return scaled(
      solve(0, largest / smallest, total, [&](double factor) { return sum_of(scaled(factor)); }));
}

}  // namespace polykv
