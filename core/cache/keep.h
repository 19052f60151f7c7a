#pragma once
// From scores to kept rows: the keep rule applied to one layer. Knows torch.
#include <ATen/ATen.h>

#include "core/cache/kept.h"
#include "core/cache/layer_view.h"
#include "core/plan/plan.h"
#include "core/policies/policy.h"

namespace polykv {

// A policy's scores of one layer. Throws an Error naming layer and policy when a score is NaN, an
// input Error when the policy needs a head list and there is none.
LayerScores policy_scores(const Policy& policy, const LayerView& view, const Params& params);

// Gathers kept rows of (kv_heads, tokens, head_dim) into the first rows of out (kv_heads, room,
// head_dim): of the first `tokens` when everything stays.
void gather_rows(const at::Tensor& source, int tokens, const Kept& kept, at::Tensor& out);

}  // namespace polykv
