#pragma once
// The rows of the table of allocators, one per file, and what several of them use.
#include "core/budgets/allocator.h"

namespace polykv {

extern const Allocator kUniform, kPyramid, kProportional, kCake, kError, kZigzag, kHullGreedy,
    kGlobalTopk;

// Throws an input Error when `total` does not fit the layers, or the limits contradict each other.
void check_total(int total, std::size_t layers, const Limits& limits);

// The same for every layer.
std::vector<double> equal_shares(int total, std::size_t layers);
// base for every layer, and the rest of the total in proportion to the weights (at least 0; all 0
// = equal parts).
std::vector<double> weighted_shares(int total, double base, const std::vector<double>& weights);

// A stretch of tokens of one layer that are worth the same each.
struct Segment {
  double gain = 0, tokens = 0;  // per token; number of tokens, need not be whole
};
// First every layer's first `floor` tokens, then the steepest segments of all layers until the
// total is spent; no layer beyond the cap. Segments of a layer stand in descending gain; equal
// gains of several layers share in proportion to their length. What the segments do not hold stays
// unspent.
std::vector<double> spend_on_steepest(std::vector<std::vector<Segment>> layers, int total,
                                      const Limits& limits);

}  // namespace polykv
