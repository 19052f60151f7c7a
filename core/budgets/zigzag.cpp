#include "core/budgets/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"tau", ParamKind::number, 0.01, 1, 0.9, "share of the attention mass that a layer must hold"},
};

// Tokens at which the curve reaches tau of its last value, linear between its points.
double tokens_for(const std::vector<double>& curve, const std::vector<int>& at, double tau) {
  const auto tokens = [&](std::size_t i) {
    return at.empty() ? static_cast<double>(i) : static_cast<double>(at[i]);
  };
  const double wanted = tau * curve.back();
  for (std::size_t i = 0; i < curve.size(); ++i) {
    if (curve[i] < wanted) continue;
    if (i == 0) return tokens(0);
    const double way = (wanted - curve[i - 1]) / (curve[i] - curve[i - 1]);
    return tokens(i - 1) + way * (tokens(i) - tokens(i - 1));
  }
  return tokens(curve.size() - 1);
}

// ZigZagKV: the floor, and the rest in proportion to the tokens that hold tau of the attention
// mass, mean over the heads.
std::vector<double> shares(int total, const Signal& signal, const Limits& limits,
                           const Params& params) {
  const double tau = number_param(params, kParams, "tau");
  std::vector<double> weights;
  for (const Signal::Rows& rows : signal.curves) {
    double sum = 0;
    for (const std::vector<double>& curve : rows) sum += tokens_for(curve, signal.at, tau);
    weights.push_back(sum / static_cast<double>(rows.size()));
  }
  return weighted_shares(total, limits.floor, weights);
}

}  // namespace

constinit const Allocator kZigzag = {"zigzag",
                                     "by the tokens needed to hold tau of the attention mass",
                                     "arXiv 2412.09036",
                                     kCurves,
                                     kParams,
                                     shares};

}  // namespace polykv
