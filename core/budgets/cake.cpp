#include <algorithm>
#include <cmath>

#include "core/budgets/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"tau1", ParamKind::number, 0.01, 100, 1.0, "entropy counts with the power 1/tau1"},
    {"tau2", ParamKind::number, 0.01, 100, 1.0, "temporal variance counts with the power 1/tau2"},
};

// CAKE's preference H^(1/tau1) * V^(1/tau2), H = values. A power of a huge or tiny number leaves
// the range of a double, so it is computed as a logarithm, relative to the largest.
std::vector<double> shares(int total, const Signal& signal, const Limits&, const Params& params) {
  const double tau1 = number_param(params, kParams, "tau1");
  const double tau2 = number_param(params, kParams, "tau2");
  std::vector<double> weights;  // log 0 = -inf, exp(-inf) = 0
  for (std::size_t l = 0; l < signal.values.size(); ++l) {
    weights.push_back(std::log(signal.values[l]) / tau1 + std::log(signal.variance[l]) / tau2);
  }
  const double largest = *std::max_element(weights.begin(), weights.end());
  if (std::isinf(largest)) return equal_shares(total, weights.size());
  for (double& weight : weights) weight = std::exp(weight - largest);
  return weighted_shares(total, 0, weights);
}

}  // namespace

constinit const Allocator kCake = {"cake",
                                   "by entropy (values) and temporal variance of window attention",
                                   "arXiv 2503.12491",
                                   kValues | kVariance,
                                   kParams,
                                   shares};

}  // namespace polykv
