#include <algorithm>
#include <array>

#include "core/policies/rows.h"

namespace polykv {

Protected protect_nothing(const Params&, int, int) { return {}; }

SelectShape keep_shape(const Policy& policy, const LayerChoice& choice, int rows, int tokens) {
  const int budget = std::min(choice.budget.value_or(tokens), tokens);
  const Protected fixed = policy.protect(choice.params, budget, tokens);
  return {
      .rows = rows, .tokens = tokens, .budget = budget, .sink = fixed.sink, .recent = fixed.recent};
}

std::span<const Policy> policies() {
  static const std::array<Policy, 7> table = {
      full_policy(), random_policy(), streaming_llm_policy(), h2o_policy(),
      tova_policy(), snapkv_policy(), knorm_policy()};
  return table;
}

const Policy* find_policy(const std::string& id) {
  for (const Policy& policy : policies()) {
    if (id == policy.id) return &policy;
  }
  return nullptr;
}

std::vector<std::string> policy_ids() {
  std::vector<std::string> ids;
  for (const Policy& policy : policies()) ids.emplace_back(policy.id);
  return ids;
}

}  // namespace polykv
