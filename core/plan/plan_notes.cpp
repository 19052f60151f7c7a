#include "core/plan/plan_notes.h"

#include "core/policies/policy.h"

namespace polykv {

std::vector<std::string> plan_notes(const Plan& plan) {
  std::vector<std::string> notes;
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    for (std::size_t l = 0; l < plan.of(phase).size(); ++l) {
      const LayerChoice& choice = plan.of(phase)[l];
      const Policy* policy = find_policy(choice.policy);
      if (!policy || !policy->protect || !choice.budget) continue;
      const int budget = *choice.budget;
      const Protected fixed = policy->protect(choice.params, budget, budget + 1);
      const int wanted = fixed.sink + fixed.recent;
      if (wanted <= budget) continue;
      notes.push_back("layer " + std::to_string(l) + " " + to_string(phase) + ": budget " +
                      std::to_string(budget) + " is below the " + std::to_string(wanted) +
                      " protected tokens of " + policy->id + "; of those, recent ones go first");
    }
  }
  return notes;
}

}  // namespace polykv
