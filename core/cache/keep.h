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

// Gathers rows of source (tokens, head_dim) into out (positions, head_dim), both contiguous.
void gather_rows(const at::Tensor& source, std::span<const std::int32_t> positions,
                 at::Tensor& out);

}  // namespace polykv
