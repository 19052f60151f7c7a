#pragma once
// The rows of the policy menus: of one layer and of all. Pure.
#include <string>
#include <vector>

#include "views/widgets.h"

namespace polykv {

struct Policy;  // core/policies/policy.h

// Why the policy cannot be chosen in this phase, as a few words; "" when it can.
std::string policy_refusal(const Snapshot& now, const Policy& policy, Phase phase);

// One item per row of the table, in its order: code, id, then what it keeps, or why it cannot be
// chosen. Policies with ragged caches or merging say so. `current`: the id that is ticked.
std::vector<MenuItem> policy_items(const Snapshot& now, const Plan& plan, Phase phase,
                                   const std::string& current);

}  // namespace polykv
