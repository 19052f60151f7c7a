#include "core/plan/plan.h"

#include <stdexcept>

#include "core/plan/plan_fields.h"
#include "core/sha256.h"

namespace polykv {

const char* to_string(Phase phase) { return phase == Phase::prefill ? "prefill" : "decode"; }

const char* to_string(QueryVisibility query) {
  return query == QueryVisibility::agnostic ? "agnostic" : "aware";
}

std::optional<QueryVisibility> query_from(const std::string& word) {
  for (const auto query : {QueryVisibility::agnostic, QueryVisibility::aware}) {
    if (word == to_string(query)) return query;
  }
  return std::nullopt;
}

int Plan::total(Phase phase) const {
  int sum = 0;
  for (const LayerChoice& layer : of(phase)) sum += layer.budget.value_or(0);
  return sum;
}

Plan uniform_plan(const std::string& policy, std::optional<int> budget, int layers,
                  QueryVisibility query) {
  const bool full = policy == "full";
  if (!full && !budget) throw std::logic_error("policy '" + policy + "' needs a budget");
  Plan plan;
  plan.name = full ? policy : policy + ":" + std::to_string(*budget);
  plan.query = query;
  LayerChoice choice;
  choice.policy = policy;
  if (!full) choice.budget = budget;
  plan.of(Phase::prefill).assign(layers, choice);
  plan.of(Phase::decode).assign(layers, LayerChoice{});
  return plan;
}

std::string plan_fingerprint(const Plan& plan) {
  // Only what changes a result: no name, no unknown keys.
  OrderedJson canonical = {{"query", to_string(plan.query)}, {"seed", plan.seed}};
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    OrderedJson layers = OrderedJson::array();
    for (const LayerChoice& layer : plan.of(phase)) layers.push_back(layer_fields(layer));
    canonical[to_string(phase)] = std::move(layers);
  }
  return sha256_hex(canonical.dump(-1, ' ', false, OrderedJson::error_handler_t::replace))
      .substr(0, 12);
}

}  // namespace polykv
