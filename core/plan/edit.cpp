#include "core/plan/edit.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>

#include "core/budgets/allocator.h"
#include "core/budgets/rounding.h"
#include "core/error.h"
#include "core/plan/plan_fields.h"
#include "core/policies/policy.h"

namespace polykv {
namespace {

// A plan from a file may lie outside the rules (a budget above this context). Such a layer is
// never forced, it only may not move further out.
int lowest(int budget, const EditRules& rules) {
  return std::min(budget, std::max(rules.floor, 1));
}

int highest(int budget, const EditRules& rules) {
  return std::max(budget, rules.cap > 0 ? rules.cap : kLargestBudget);
}

bool is_locked(int layer, const EditRules& rules) {
  return layer < static_cast<int>(rules.locked.size()) && rules.locked[layer];
}

// Layers with a budget that may change, ascending, without `apart`.
std::vector<int> movable(const Plan& plan, const EditRules& rules,
                         const std::vector<int>& apart = {}) {
  const auto& layers = plan.of(rules.phase);
  std::vector<int> found;
  for (int l = 0; l < static_cast<int>(layers.size()); ++l) {
    const bool skip = std::find(apart.begin(), apart.end(), l) != apart.end();
    if (!skip && layers[l].budget && !is_locked(l, rules)) found.push_back(l);
  }
  return found;
}

struct Room {
  std::int64_t down = 0, up = 0;  // tokens the layers can give and take together
};

Room room_of(const Plan& plan, const std::vector<int>& layers, const EditRules& rules) {
  Room room;
  for (const int l : layers) {
    const int budget = *plan.of(rules.phase)[l].budget;
    room.down += budget - lowest(budget, rules);
    room.up += highest(budget, rules) - budget;
  }
  return room;
}

// Changes the sum of `layers` by `change`, in proportion to their budgets. No layer moves against
// the direction of the change. Requires that the change fits their room.
void spread(Plan& plan, const std::vector<int>& layers, int change, const EditRules& rules) {
  if (layers.empty() || change == 0) return;
  std::vector<double> weights;
  Bounds bounds;
  int total = change;
  for (const int l : layers) {
    const int budget = *plan.of(rules.phase)[l].budget;
    weights.push_back(budget);
    bounds.low.push_back(change < 0 ? lowest(budget, rules) : budget);
    bounds.high.push_back(change < 0 ? budget : highest(budget, rules));
    total += budget;
  }
  const std::vector<int> shared =
      round_within(scale_within(std::move(weights), total, bounds), total, bounds);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    plan.of(rules.phase)[layers[i]].budget = shared[i];
  }
}

int clipped(std::int64_t budget, const EditRules& rules) {
  const int floor = std::max(rules.floor, 1);
  const int cap = std::max(floor, rules.cap > 0 ? rules.cap : kLargestBudget);
  return static_cast<int>(std::clamp<std::int64_t>(budget, floor, cap));
}

// How far one layer can go towards `delta`.
int reach(int budget, int delta, const EditRules& rules) {
  return std::clamp(delta, lowest(budget, rules) - budget, highest(budget, rules) - budget);
}

}  // namespace

Plan with_budgets_moved(const Plan& plan, const std::vector<int>& layers, int delta,
                        const EditRules& rules) {
  Plan next = plan;
  auto& choices = next.of(rules.phase);
  std::vector<int> moving;
  for (const int l : movable(plan, rules)) {
    if (std::find(layers.begin(), layers.end(), l) != layers.end()) moving.push_back(l);
  }
  if (moving.empty()) return next;
  for (const int l : moving) {
    const int own = reach(*choices[l].budget, delta, rules);
    if (std::abs(own) < std::abs(delta)) delta = own;
  }
  const std::vector<int> rest = movable(plan, rules, moving);
  if (rules.keep_total) {
    const Room room = room_of(plan, rest, rules);
    const auto count = static_cast<std::int64_t>(moving.size());
    delta =
        static_cast<int>(std::clamp<std::int64_t>(delta, -(room.up / count), room.down / count));
  }
  for (const int l : moving) *choices[l].budget += delta;
  if (rules.keep_total) spread(next, rest, -delta * static_cast<int>(moving.size()), rules);
  return next;
}

Plan with_budget(const Plan& plan, int layer, int budget, const EditRules& rules) {
  if (layer < 0 || layer >= static_cast<int>(plan.of(rules.phase).size())) return plan;
  const std::optional<int> old = plan.of(rules.phase)[layer].budget;
  if (!old) return plan;
  const int wanted = clipped(budget, rules);
  return with_budgets_moved(plan, {layer}, wanted - *old, rules);
}

Plan with_policy(const Plan& plan, int layer, const std::string& policy, const EditRules& rules) {
  Plan next = plan;
  auto& choices = next.of(rules.phase);
  if (layer < 0 || layer >= static_cast<int>(choices.size())) return next;
  LayerChoice& choice = choices[layer];
  if (choice.policy == policy) return next;
  const std::string fault = policy_fault(policy, rules.phase);
  if (!fault.empty()) {
    fail_input("", "layer " + std::to_string(layer) + " " + to_string(rules.phase), fault);
  }
  if (policy == "full") {
    choice.budget.reset();
  } else if (!choice.budget) {
    std::int64_t sum = 0, count = 0;
    for (const LayerChoice& other : choices) {
      if (other.budget) sum += *other.budget, ++count;
    }
    const Phase other = rules.phase == Phase::prefill ? Phase::decode : Phase::prefill;
    const auto& others = plan.of(other);
    const auto own = layer < static_cast<int>(others.size()) ? others[layer].budget : std::nullopt;
    const std::int64_t mean = count > 0 ? (sum + count / 2) / count : own.value_or(rules.cap / 8);
    choice.budget = clipped(mean, rules);
  }
  choice.policy = policy;
  choice.params.clear();
  return next;
}

Plan with_param(const Plan& plan, Phase phase, const std::vector<int>& layers,
                const std::string& name, const std::optional<ParamValue>& value) {
  Plan next = plan;
  auto& choices = next.of(phase);
  const auto named = [](const std::vector<ParamSpec>& specs, const std::string& wanted) {
    return std::find_if(specs.begin(), specs.end(),
                        [&](const ParamSpec& spec) { return wanted == spec.name; });
  };
  for (const int l : layers) {
    if (l < 0 || l >= static_cast<int>(choices.size())) continue;
    LayerChoice& choice = choices[l];
    const Policy* policy = find_policy(choice.policy);
    if (policy == nullptr) continue;
    const std::vector<ParamSpec> before = param_specs(*policy, choice.params, phase);
    const auto spec = named(before, name);
    if (spec == before.end()) continue;
    choice.params.erase(name);
    if (value && *value != spec->start) choice.params[name] = *value;
    const std::vector<ParamSpec> after = param_specs(*policy, choice.params, phase);
    std::erase_if(choice.params,
                  [&](const auto& each) { return named(after, each.first) == after.end(); });
    check_params(choice.params, after,
                 "layer " + std::to_string(l) + " " + std::string(to_string(phase)));
  }
  return next;
}

Plan with_total(const Plan& plan, int total, const EditRules& rules) {
  Plan next = plan;
  const std::vector<int> layers = movable(plan, rules);
  const Room room = room_of(plan, layers, rules);
  const std::int64_t change = static_cast<std::int64_t>(total) - plan.total(rules.phase);
  spread(next, layers, static_cast<int>(std::clamp(change, -room.down, room.up)), rules);
  return next;
}

Plan with_allocator(const Plan& plan, const Allocator& allocator, const Signal& signal,
                    const EditRules& rules, const Params& params) {
  Plan next = plan;
  auto& choices = next.of(rules.phase);
  const std::string where = std::string("allocator ") + allocator.id;
  if (allocator.needs != kNoPart) {
    check_signal(signal, allocator.needs, where);  // here a message names the layer of the plan
    if (signal.layers() != plan.layers()) {
      fail_input(where, "signal",
                 "must have " + std::to_string(plan.layers()) + " layers as the plan, found " +
                     std::to_string(signal.layers()));
    }
  }
  const std::vector<int> layers = movable(plan, rules);
  if (layers.empty()) return next;
  int total = 0;
  for (const int l : layers) total += *choices[l].budget;
  const Signal part = allocator.needs == kNoPart ? Signal(std::vector<double>(layers.size(), 1.0))
                                                 : signal.of_layers(layers);
  const std::vector<int> budgets =
      allocator.share(total, part, {std::max(rules.floor, 1), rules.cap}, params);
  for (std::size_t i = 0; i < layers.size(); ++i) choices[layers[i]].budget = budgets[i];
  return next;
}

}  // namespace polykv
