#pragma once
// Controls: what the same budgets hold under a policy that knows nothing.
#include <string>

#include "core/plan/plan.h"

namespace polykv {

// The plan with another policy, default parameters, in every layer that has a prefill budget: the
// same total, the same bytes.
Plan control_plan(const Plan& plan, const std::string& policy, const std::string& name);

// The plan with the budgets of each phase shared evenly over the layers that have one; the first
// layers get what does not divide.
Plan even_budgets(Plan plan);

}  // namespace polykv
