#pragma once
// From scores to kept rows: the keep rule applied to one layer. Knows torch.
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "core/cache/layer_view.h"
#include "core/plan/plan.h"
#include "core/policies/policy.h"

namespace polykv {

// A policy's scores of one layer, fp32: (rows, tokens) with rows = 1 (shared) or kv heads. Throws
// an input Error naming layer and policy when a score is NaN.
at::Tensor policy_scores(const Policy& policy, const LayerView& view, const Params& params);

// Kept positions of one layer, ascending, the same number for every kv head; empty = everything.
// scores (rows, tokens) row-major.
std::vector<std::int32_t> keep_rows(const Policy& policy, const LayerChoice& choice,
                                    const float* scores, int rows, int tokens, int kv_heads);

// What a layer with a sliding window keeps: its last `window` tokens, for every kv head alike.
std::vector<std::int32_t> window_rows(int window, int tokens, int kv_heads);

// Gathers kept rows of (kv_heads, tokens, head_dim) into the first rows of out (kv_heads, room,
// head_dim); kept as keep_rows returns it, empty = all of the first `tokens`.
void gather_rows(const at::Tensor& source, int tokens, const std::vector<std::int32_t>& kept,
                 at::Tensor& out);

}  // namespace polykv
