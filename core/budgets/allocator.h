#pragma once
// Allocators: a total and a layer signal become integer budgets whose sum is exactly the total.
#include <span>
#include <string>
#include <vector>

#include "core/plan/params.h"

namespace polykv {

struct Limits {
  int floor = 1;  // b_min, tokens per layer
  int cap = 0;    // most tokens a layer can hold; 0 = no cap
};

struct Allocator {  // one row of the table
  const char *id, *summary;
  bool needs_signal;
  std::span<const ParamSpec> params;
  // signal: one number per layer (all equal when the allocator needs none). Returns one budget per
  // layer: sum exactly total, floor <= b <= cap. Throws an input Error when total cannot fit.
  std::vector<int> (*share)(int total, const std::vector<double>& signal, const Limits& limits,
                            const Params& params);
};

std::span<const Allocator> allocators();
const Allocator& find_allocator(const std::string& id);  // throws with the nearest known id

// Common last step: real shares become integers with the exact sum, clipped to [floor, cap], the
// excess spread over unclipped layers, largest remainder, ties to the lower layer.
std::vector<int> round_budgets(const std::vector<double>& shares, int total, const Limits& limits);

}  // namespace polykv
