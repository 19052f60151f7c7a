#include "core/budgets/rows.h"

namespace polykv {
namespace {

std::vector<double> shares(int total, const Signal& signal, const Limits&, const Params&) {
  return equal_shares(total, static_cast<std::size_t>(signal.layers()));
}

}  // namespace

constinit const Allocator kUniform = {"uniform", "the same budget for every layer", "", kNoPart, {},
                                      shares};

}  // namespace polykv
