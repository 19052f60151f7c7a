#pragma once
// Policies that rank by the scores of another one, their parameter `inner`. They take the inner
// policy's parameters beside their own.
#include "core/policies/policy.h"

namespace polykv {

// The inner policy that the parameters name, or the default one; null for a policy without the
// parameter `inner`. A word that is not among the choices counts as left out (check_params says
// so).
const Policy* inner_of(const Policy& policy, const Params& given);

// What of the parameters is meant for the inner policy: a name that the outer one has too is its
// own.
Params inner_params(const Policy& policy, const Params& given);

// Of a policy that has one: the inner's scores as (kv_heads, tokens), and what it protects.
at::Tensor inner_scores(const Policy& policy, const LayerView& view, const Params& given);
Protected inner_protected(const Policy& policy, const Params& given, int budget, int tokens);

}  // namespace polykv
