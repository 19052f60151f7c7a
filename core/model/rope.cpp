#include "core/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace polykv {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

// Llama 3.1: long wavelengths are divided by the factor, with a smooth step in between.
double llama3(const RopeSettings& rope, double f) {
  const double turns = rope.original_max_tokens * f / kTurn;  // within the trained length
  if (turns < rope.low_freq_factor) return f / rope.factor;
  if (turns > rope.high_freq_factor) return f;
  const double smooth =
      (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return (1 - smooth) * f / rope.factor + smooth * f;
}

// YaRN (arXiv 2309.00071): channel pairs that turn often keep their frequency, slow ones are
// divided by the factor, a linear ramp over the pairs in between.
struct YarnRamp {
  YarnRamp(const RopeSettings& rope, int head_dim) {
    const auto pair_with = [&](double turns) {
      return head_dim * std::log(rope.original_max_tokens / (turns * kTurn)) /
             (2 * std::log(rope.theta));
    };
    low = pair_with(rope.beta_fast);
    high = pair_with(rope.beta_slow);
    if (rope.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, head_dim - 1.0);
    if (low == high) high += 0.001;
  }
  double stretched(int pair) const { return std::clamp((pair - low) / (high - low), 0.0, 1.0); }
  double low = 0, high = 0;
};

}  // namespace

std::vector<float> rope_frequencies(const RopeSettings& rope, int head_dim, int sequence) {
  double theta = rope.theta;
  if (rope.kind == "dynamic" && sequence > rope.original_max_tokens) {
    const double stretch = rope.factor * sequence / rope.original_max_tokens - (rope.factor - 1);
    theta *= std::pow(stretch, head_dim / (head_dim - 2.0));
  }
  const YarnRamp ramp(rope, head_dim);
  std::vector<float> frequencies;
  for (int pair = 0; pair < head_dim / 2; ++pair) {
    double f = 1.0 / std::pow(theta, 2.0 * pair / head_dim);
    if (rope.kind == "linear") f /= rope.factor;
    if (rope.kind == "llama3") f = llama3(rope, f);
    if (rope.kind == "yarn") {
      const double stretched = ramp.stretched(pair);
      f = f / rope.factor * stretched + f * (1 - stretched);
    }
    frequencies.push_back(static_cast<float>(f));
  }
  return frequencies;
}

}  // namespace polykv
