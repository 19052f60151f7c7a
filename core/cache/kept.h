#pragma once
// Which tokens of one layer stay after a cut, and the keep rule that says so. Plain: no torch.
#include <cstdint>
#include <span>
#include <vector>

#include "core/plan/plan.h"

namespace polykv {

struct Policy;  // core/policies/policy.h

// Kept positions, kv head after kv head, ascending within each; heads may keep different numbers.
struct Kept {
  std::vector<std::int32_t> positions;
  std::vector<int> offsets;  // kv_heads + 1 starts in `positions`; empty = everything stays
  bool operator==(const Kept&) const = default;

  bool everything() const { return offsets.empty(); }
  int count(int head) const { return offsets[head + 1] - offsets[head]; }
  std::span<const std::int32_t> head(int h) const {
    return {positions.data() + offsets[h], static_cast<std::size_t>(count(h))};
  }
  void add_head(std::span<const std::int32_t> ascending);
};

// A policy's scores of one layer at its cut.
struct LayerScores {
  std::vector<float> scores;          // (rows, tokens), rows = 1 (shared by the layer) or kv heads
  int rows = 0, tokens = 0;           // tokens = tokens the cut looks at
  std::vector<float> head_weights{};  // per kv head, for policies that read a head list; else empty
};

// The keep rule applied to one layer: protected tokens and the best of the rest; a ragged policy
// first splits the layer's budget over its kv heads. held: per kv head the ascending positions of
// what the scores stand for, when that is no longer the whole prompt; a sink is one of the first
// positions, not of the first slots. The result counts slots.
Kept keep_rows(const Policy& policy, const LayerChoice& choice, const LayerScores& scores,
               int kv_heads, std::span<const std::span<const std::int32_t>> held = {});

// The same for a ragged policy whose kv heads hold different numbers of tokens: together they keep
// kv_heads times the budget. heads: one row of scores per kv head; held: their positions.
Kept keep_ragged(const Policy& policy, const LayerChoice& choice,
                 std::span<const LayerScores> heads,
                 std::span<const std::span<const std::int32_t>> held);

// What a layer with a sliding window keeps: its last `window` tokens, for every kv head alike.
Kept window_rows(int window, int tokens, int kv_heads);

}  // namespace polykv
