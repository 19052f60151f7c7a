#pragma once
// Makes needle cases in the language of the embedded model: filler sentences, facts "The code of
// amber is 7319.", a question at the end. Built at token-id level from a seed.
#include <vector>

#include "core/probe/case.h"

namespace polykv {

struct NeedleSettings {
  int context_tokens = 950;  // wanted length with BOS; met within one sentence, never exceeded
  double depth = 0.5;        // 0 = asked fact first, 1 = last
  int keys = 4;              // facts in the context; 1 = task "single", more = "multikey"
  std::uint64_t seed = 1;
};

// Throws an input Error for lengths that cannot hold the facts, depth outside [0, 1], keys outside
// [1, 32]. Same settings, same case, on every machine.
Case make_needle_case(const NeedleSettings& settings, const Tokenizer& tokenizer);

// n cases that walk through the depths 0, .25, .5, .75, 1 in turn, seeds first, first + 1, ...
std::vector<Case> make_needle_cases(int n, const NeedleSettings& like, const Tokenizer& tokenizer);

}  // namespace polykv
