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

}  // namespace polykv
