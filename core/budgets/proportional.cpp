#include "core/budgets/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"eps", ParamKind::number, 0, 1e6, 1e-6, "added to every layer's value"},
};

// PolyKV's rule: the floor, and the rest in proportion to the signal.
std::vector<double> shares(int total, const Signal& signal, const Limits& limits,
                           const Params& params) {
  const double eps = number_param(params, kParams, "eps");
  std::vector<double> weights = signal.values;
  for (double& weight : weights) weight += eps;
  return weighted_shares(total, limits.floor, weights);
}

}  // namespace

constinit const Allocator kProportional = {"proportional",
                                           "in proportion to any measured number of the layers",
                                           "arXiv 2606.15157",
                                           kValues,
                                           kParams,
                                           shares};

}  // namespace polykv
