#include "core/budgets/rows.h"

namespace polykv {
namespace {

std::vector<int> share_uniform(int total, const std::vector<double>& signal, const Limits& limits,
                               const Params&) {
  check_total(total, signal.size(), limits);
  const double each = static_cast<double>(total) / static_cast<double>(signal.size());
  return round_budgets(std::vector<double>(signal.size(), each), total, limits);
}

}  // namespace

constinit const Allocator kUniform = {
    "uniform", "the same budget for every layer", false, {}, share_uniform};

}  // namespace polykv
