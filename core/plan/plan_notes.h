#pragma once
// What a plan asks for and cannot get.
#include <string>
#include <vector>

#include "core/plan/plan.h"

namespace polykv {

// A sentence for every budget below the protected tokens of its policy, which then shrink (recent
// ones first). Empty when there is nothing to say.
std::vector<std::string> plan_notes(const Plan& plan);

}  // namespace polykv
