#pragma once
// Field by field between a layer of a plan and its JSON object.
#include "core/files.h"
#include "core/plan/plan.h"

namespace polykv {

using OrderedJson = nlohmann::ordered_json;

constexpr int kLargestBudget = 10'000'000;  // tokens; far above any context, sums stay in an int

// policy, budget, params (when there are any), in this order; without the unknown keys.
OrderedJson layer_fields(const LayerChoice& layer);

// Why `policy` cannot be used in `phase`, as the rest of a sentence ("policy 'snapkb' is unknown,
// nearest is 'snapkv'"); "" when it can.
std::string policy_fault(const std::string& policy, Phase phase);

}  // namespace polykv
