// The plan argument of the command line.
#include <charconv>
#include <climits>
#include <cstdint>
#include <filesystem>

#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/plan/plan_fields.h"
#include "core/policies/policy.h"

namespace polykv {
namespace {

bool names_a_file(const std::string& argument) {
  std::error_code none;
  const std::filesystem::path path(argument);
  return path.extension() == ".json" || std::filesystem::is_regular_file(path, none);
}

// The allocator's own defaults, but the observation window of the policy that observes.
Params allocator_params(const Allocator& allocator, const Policy& policy) {
  Params params;
  for (const ParamSpec& wanted : allocator.params) {
    for (const ParamSpec& given : policy.params) {
      const std::string name = wanted.name;
      if (name == "window" && name == given.name) params[name] = given.start;
    }
  }
  return params;
}

}  // namespace

Plan plan_from_argument(const std::string& argument, const PlanTarget& target,
                        QueryVisibility query, const Signal* signal) {
  if (names_a_file(argument)) return read_plan(argument, target);
  const auto fail = [&](const std::string& expectation) {
    fail_input("plan '" + argument + "'", "", expectation);
  };

  const std::size_t colon = argument.find(':');
  const std::string policy_id = argument.substr(0, colon);
  const std::string fault = policy_fault(policy_id, Phase::prefill);
  if (!fault.empty()) fail(fault + "; a plan is a .json file, POLICY:BUDGET or full");
  if (policy_id == "full") {
    if (colon != std::string::npos) fail("'full' keeps every token, so it takes no budget");
    return uniform_plan("full", std::nullopt, target.layers, query);
  }
  if (colon == std::string::npos) fail("a budget is missing, as in " + policy_id + ":64");

  const std::size_t plus = argument.find('+', colon);
  const std::string number = argument.substr(colon + 1, plus - colon - 1);
  int budget = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), budget);
  const std::int64_t total = static_cast<std::int64_t>(budget) * target.layers;
  if (error != std::errc{} || end != number.data() + number.size() || budget < 1 ||
      budget > kLargestBudget || total > INT_MAX) {
    fail("budget must be an integer of at least 1, the mean per layer, found '" + number + "'");
  }

  Plan plan = uniform_plan(policy_id, budget, target.layers, query);
  plan.name = argument;
  if (plus == std::string::npos) return plan;
  const Allocator* allocator = nullptr;
  try {
    allocator = &find_allocator(argument.substr(plus + 1));
  } catch (const Error& unknown) {
    fail(unknown.what());
  }
  if (allocator->needs != kNoPart && signal == nullptr) {
    fail(std::string("allocator '") + allocator->id +
         "' shares by a measured signal of the layers; give its file with --signal");
  }
  const Signal none(std::vector<double>(target.layers, 1.0));
  const Signal& of_layers = allocator->needs == kNoPart ? none : *signal;
  if (of_layers.layers() != target.layers) {
    fail("the signal has " + std::to_string(of_layers.layers()) + " layers, the model " +
         std::to_string(target.layers));
  }
  const std::vector<int> budgets =
      allocator->share(static_cast<int>(total), of_layers, {},
                       allocator_params(*allocator, *find_policy(policy_id)));
  for (int l = 0; l < target.layers; ++l) plan.of(Phase::prefill)[l].budget = budgets[l];
  return plan;
}

}  // namespace polykv
