#pragma once
// Scores with their 95% interval.
#include <vector>

namespace polykv {

struct Estimate {
  double value = 0, low = 0, high = 0;  // value and its 95% interval
  int n = 0;  // independent units behind the interval; 0 = nothing measured
};

// A rate k / n with the Wilson score interval.
Estimate wilson(int successes, int n);
// A mean with the Student t interval; n = 1 gives an interval as wide as the number line allows
// (inf).
Estimate mean_with_t(const std::vector<double>& values);

// A mean with its standard error; NaN for a single value.
struct MeanError {
  double mean = 0, error = 0;
  int n = 0;
};
MeanError mean_and_error(const std::vector<double>& values);

}  // namespace polykv
