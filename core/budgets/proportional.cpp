#include <cmath>

#include "core/budgets/rows.h"
#include "core/error.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"eps", ParamKind::number, 0, 1e6, 1e-6, "added to every layer's signal"},
};

// PolyKV's rule: the floor, and the rest in proportion to the signal.
std::vector<int> share_proportional(int total, const std::vector<double>& signal,
                                    const Limits& limits, const Params& params) {
  check_total(total, signal.size(), limits);
  check_params(params, kParams, "allocator proportional");
  const double eps = number_param(params, kParams, "eps");
  double largest = 0;
  for (std::size_t i = 0; i < signal.size(); ++i) {
    if (!std::isfinite(signal[i]) || signal[i] < 0) {
      fail_input("allocator proportional", "signal of layer " + std::to_string(i),
                 "must be a number of at least 0");
    }
    largest = std::max(largest, signal[i] + eps);
  }
  if (largest == 0) return kUniform.share(total, signal, limits, {});

  double sum = 0;  // divided by the largest: huge signals do not overflow
  for (const double value : signal) sum += (value + eps) / largest;
  const double spare = total - static_cast<double>(limits.floor) * signal.size();
  std::vector<double> shares;
  for (const double value : signal) {
    shares.push_back(limits.floor + spare * ((value + eps) / largest / sum));
  }
  return round_budgets(shares, total, limits);
}

}  // namespace

constinit const Allocator kProportional = {
    "proportional", "in proportion to a measured layer signal", true, kParams, share_proportional};

}  // namespace polykv
