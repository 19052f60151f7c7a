#include "core/budgets/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"beta", ParamKind::number, 1, 1000, 20.0, "steepness: the last layer gets 1/beta of the mean"},
    {"window", ParamKind::integer, 0, 4096, 8.0, "tokens every layer keeps below the slope"},
};

// PyramidKV: a straight line over the layers above the observation window.
std::vector<double> shares(int total, const Signal& signal, const Limits&, const Params& params) {
  const auto layers = static_cast<std::size_t>(signal.layers());
  const double window = integer_param(params, kParams, "window");
  const double base = static_cast<double>(total) / static_cast<double>(layers) - window;
  if (base <= 0 || layers == 1) return equal_shares(total, layers);

  const double last = base / number_param(params, kParams, "beta");
  const double first = 2 * base - last;
  std::vector<double> line(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    const double way = static_cast<double>(i) / static_cast<double>(layers - 1);
    line[i] = window + first + (last - first) * way;
  }
  return line;
}

}  // namespace

constinit const Allocator kPyramid = {
    "pyramid", "most for the first layer, falling in a line", "arXiv 2406.02069", kNoPart, kParams,
    shares};

}  // namespace polykv
