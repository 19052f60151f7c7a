#pragma once
// One declaration per row; each file of this folder defines the row of its name.
#include "core/policies/policy.h"

namespace polykv {

const Policy& full_policy();
const Policy& random_policy();
const Policy& streaming_llm_policy();
const Policy& h2o_policy();
const Policy& tova_policy();
const Policy& snapkv_policy();
const Policy& knorm_policy();

Protected protect_nothing(const Params&, int budget, int tokens);

}  // namespace polykv
