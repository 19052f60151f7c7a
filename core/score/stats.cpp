#include "core/score/stats.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace polykv {
namespace {

constexpr double kZ975 = 1.959963984540054;  // 97.5% point of the normal distribution

// Regularised incomplete beta function I_x(a, b) by its continued fraction (modified Lentz).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast only below the mean of the distribution.
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
  constexpr double kTiny = 1e-300, kEnough = 1e-15;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double fraction = d;
  for (int m = 1; m <= 500; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (const double term : {even, odd}) {
      d = 1 + term * d;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      c = 1 + term / c;
      if (std::abs(c) < kTiny) c = kTiny;
      change = c * d;
      fraction *= change;
    }
    if (std::abs(change - 1) < kEnough) break;
  }
  const double log_front = std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) +
                           b * std::log1p(-x) - std::log(a);
  return std::exp(log_front) * fraction;
}

// 97.5% point of the Student t distribution: P(|T| > t) = I_{df/(df+t^2)}(df/2, 1/2) = 0.05.
double t_quantile_975(int df) {
  double low = 0, high = 13;  // 12.706 for one degree of freedom is the largest
  for (int step = 0; step < 60; ++step) {
    const double t = (low + high) / 2;
    (incomplete_beta(df / 2.0, 0.5, df / (df + t * t)) > 0.05 ? low : high) = t;
  }
  return (low + high) / 2;
}

}  // namespace

Estimate wilson(int successes, int n) {
  if (n <= 0) return {};
  const double p = static_cast<double>(successes) / n;
  const double z2 = kZ975 * kZ975;
  const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kZ975 / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4.0 * n * n));
  // Rounding may not push the interval off the value at 0 and n.
  return {p, std::clamp(centre - half, 0.0, p), std::clamp(centre + half, p, 1.0), n};
}

Estimate mean_with_t(const std::vector<double>& values) {
  const int n = static_cast<int>(values.size());
  if (n == 0) return {};
  double mean = 0;
  for (const double value : values) mean += value / n;
  if (n == 1) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return {mean, -kInfinity, kInfinity, 1};
  }
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double half = t_quantile_975(n - 1) * std::sqrt(squares / (n - 1) / n);
  return {mean, mean - half, mean + half, n};
}

MeanError mean_and_error(const std::vector<double>& values) {
  const int n = static_cast<int>(values.size());
  const double mean = n > 0 ? std::accumulate(values.begin(), values.end(), 0.0) / n : 0;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double error =
      n > 1 ? std::sqrt(squares / (n - 1) / n) : std::numeric_limits<double>::quiet_NaN();
  return {mean, error, n};
}

}  // namespace polykv
