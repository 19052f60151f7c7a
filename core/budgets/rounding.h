#pragma once
// Real shares become integers, with limits per layer. Used by the allocators and by plan edits.
#include <vector>

namespace polykv {

struct Bounds {  // tokens, one entry per layer
  std::vector<int> low, high;
};

// Integers with low <= b <= high and sum exactly `total`: every share is clipped, what the clipping
// left over goes to the unclipped layers in equal parts, fractions by largest remainder, ties to
// the lower layer. Requires sum(low) <= total <= sum(high); throws std::logic_error otherwise.
std::vector<int> round_within(const std::vector<double>& shares, int total, const Bounds& bounds);

// weights * factor, clipped to the bounds, with the factor that makes the sum `total`: what
// round_within then makes integer. Weights >= 0; all 0 counts as all equal.
std::vector<double> scale_within(std::vector<double> weights, int total, const Bounds& bounds);

}  // namespace polykv
