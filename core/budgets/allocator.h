#pragma once
// Allocators: a total and what was measured of the layers become integer budgets whose sum is
// exactly the total.
#include <span>
#include <string>
#include <vector>

#include "core/budgets/signal.h"
#include "core/plan/params.h"

namespace polykv {

struct Limits {
  int floor = 1;  // b_min, tokens per layer
  int cap = 0;    // most tokens a layer can hold; 0 = no cap
};

struct Allocator {  // one row of the table
  const char *id, *summary, *paper;
  unsigned needs;  // parts of the Signal that it reads; 0 = none
  std::span<const ParamSpec> params;
  // Real shares, one per layer, before the common step. The signal is checked; its layers() count.
  std::vector<double> (*shares)(int total, const Signal& signal, const Limits& limits,
                                const Params& params);

  // One budget per layer: sum exactly total, floor <= b <= cap. The common step: shares clipped to
  // the limits, the excess spread over unclipped layers, largest remainder, ties to the lower
  // layer. Throws an input Error when total cannot fit, a parameter is wrong, or the signal lacks
  // what is needed; a row that needs nothing takes any signal for its number of layers.
  std::vector<int> share(int total, const Signal& signal, const Limits& limits = {},
                         const Params& given = {}) const;
};

std::span<const Allocator> allocators();
const Allocator& find_allocator(const std::string& id);  // throws with the nearest known id

// The common step alone.
std::vector<int> round_budgets(const std::vector<double>& shares, int total, const Limits& limits);

}  // namespace polykv
