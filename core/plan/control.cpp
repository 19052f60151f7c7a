#include "core/plan/control.h"

namespace polykv {

Plan control_plan(const Plan& plan, const std::string& policy, const std::string& name) {
  Plan control = plan;
  control.name = name;
  for (LayerChoice& choice : control.of(Phase::prefill)) {
    if (!choice.budget) continue;
    choice.policy = policy;
    choice.params.clear();
  }
  return control;
}

Plan even_budgets(Plan plan) {
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    std::vector<LayerChoice*> budgeted;
    for (LayerChoice& choice : plan.of(phase)) {
      if (choice.budget) budgeted.push_back(&choice);
    }
    const int total = plan.total(phase), count = static_cast<int>(budgeted.size());
    for (int i = 0; i < count; ++i) *budgeted[i]->budget = total / count + (i < total % count);
  }
  return plan;
}

}  // namespace polykv
