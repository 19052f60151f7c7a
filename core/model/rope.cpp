#include "core/model/rope.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace polykv {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

// Where yarn's ramp begins and ends, in channel pairs (arXiv 2309.00071, section 3.2): pairs that
// turn more than beta_fast times within the trained length keep their frequency, those that turn
// less than beta_slow times are divided by the factor.
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
  double low = 0, high = 0;
};

at::Tensor yarn(const RopeSettings& rope, int head_dim, const at::Tensor& periods) {
  const YarnRamp ramp(rope, head_dim);
  const at::Tensor stretched =
      ((at::arange(head_dim / 2, at::kFloat) - ramp.low) / (ramp.high - ramp.low)).clamp(0, 1);
  const at::Tensor kept = 1 - stretched;
  return (rope.factor * periods).reciprocal() * (1 - kept) + periods.reciprocal() * kept;
}

// Llama 3.1: long wavelengths are divided by the factor, with a smooth step in between.
at::Tensor llama3(const RopeSettings& rope, const at::Tensor& f) {
  const double length = rope.original_max_tokens;
  const at::Tensor wavelength = kTurn / f;
  const at::Tensor is_long = wavelength > length / rope.low_freq_factor;
  const at::Tensor is_short = wavelength < length / rope.high_freq_factor;
  const at::Tensor outer = at::where(is_long, f / rope.factor, f);
  const at::Tensor smooth =
      (length / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor inner = (1 - smooth) * outer / rope.factor + smooth * outer;
  return at::where(is_long.logical_or(is_short), outer, inner);
}

// Dynamic NTK: theta grows with the sequence once it is longer than the trained length.
double dynamic_theta(const RopeSettings& rope, int head_dim, int sequence) {
  if (sequence <= rope.original_max_tokens) return rope.theta;
  const auto factor = static_cast<float>(rope.factor);
  const float stretch =
      factor * static_cast<float>(sequence) / static_cast<float>(rope.original_max_tokens) -
      static_cast<float>(rope.factor - 1);
  return static_cast<float>(rope.theta) *
         std::pow(stretch, static_cast<float>(head_dim / (head_dim - 2.0)));
}

}  // namespace

// In fp32 and in the order of the reference software: at position 30000 the last bit of a frequency
// is worth a thousandth of a radian.
std::vector<float> rope_frequencies(const RopeSettings& rope, int head_dim, int sequence) {
  const double theta =
      rope.kind == "dynamic" ? dynamic_theta(rope, head_dim, sequence) : rope.theta;
  const at::Tensor periods = at::pow(theta, at::arange(0, head_dim, 2, at::kFloat) / head_dim);
  at::Tensor f = periods.reciprocal();
  if (rope.kind == "linear") f = f / rope.factor;
  if (rope.kind == "llama3") f = llama3(rope, f);
  if (rope.kind == "yarn") f = yarn(rope, head_dim, periods);
  const float* values = f.data_ptr<float>();
  return {values, values + f.numel()};
}

}  // namespace polykv
