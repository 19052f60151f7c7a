#pragma once
// The rows of the table of allocators, one per file.
#include "core/budgets/allocator.h"

namespace polykv {

extern const Allocator kUniform, kPyramid, kProportional;

// Throws an input Error when `total` does not fit the layers, or the limits contradict each other.
void check_total(int total, std::size_t layers, const Limits& limits);

}  // namespace polykv
