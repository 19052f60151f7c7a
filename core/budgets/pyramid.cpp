#include "core/budgets/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"beta", ParamKind::number, 1, 1000, 20.0, "steepness: the last layer gets 1/beta of the mean"},
    {"window", ParamKind::integer, 0, 4096, 8.0, "tokens every layer keeps below the slope"},
};

// PyramidKV (arXiv 2406.02069): a straight line over the layers above the observation window.
std::vector<int> share_pyramid(int total, const std::vector<double>& signal, const Limits& limits,
                               const Params& params) {
  check_total(total, signal.size(), limits);
  check_params(params, kParams, "allocator pyramid");
  const std::size_t layers = signal.size();
  const double window = integer_param(params, kParams, "window");
  const double base = static_cast<double>(total) / static_cast<double>(layers) - window;
  if (base <= 0 || layers == 1) return kUniform.share(total, signal, limits, {});

  const double last = base / number_param(params, kParams, "beta");
  const double first = 2 * base - last;
  std::vector<double> shares(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    const double way = static_cast<double>(i) / static_cast<double>(layers - 1);
    shares[i] = window + first + (last - first) * way;
  }
  return round_budgets(shares, total, limits);
}

}  // namespace

constinit const Allocator kPyramid = {"pyramid", "most for the first layer, falling in a line",
                                      false, kParams, share_pyramid};

}  // namespace polykv
