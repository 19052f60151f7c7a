#include "core/plan/edit.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/policies/policy.h"

using namespace polykv;
using Catch::Contains;

namespace {

Plan plan_with(const std::vector<int>& budgets) {  // 0 = a `full` layer
  Plan plan;
  for (const int budget : budgets) {
    LayerChoice choice;
    if (budget > 0) {
      choice.policy = "knorm";
      choice.budget = budget;
    }
    plan.of(Phase::prefill).push_back(choice);
    plan.of(Phase::decode).emplace_back();
  }
  return plan;
}

std::vector<int> budgets_of(const Plan& plan) {
  std::vector<int> budgets;
  for (const LayerChoice& layer : plan.of(Phase::prefill)) {
    budgets.push_back(layer.budget.value_or(0));
  }
  return budgets;
}

EditRules rules_with(int floor, int cap, std::vector<bool> locked = {}) {
  EditRules rules;
  rules.floor = floor;
  rules.cap = cap;
  rules.locked = std::move(locked);
  return rules;
}

using Budgets = std::vector<int>;

// A random plan inside random rules, and what must hold for every edit of it.
struct RandomEdit {
  std::mt19937 random;
  int floor = 0, cap = 0, layers = 0;
  EditRules rules;
  Plan plan;

  int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

  explicit RandomEdit(int seed) : random(seed) {
    floor = draw(1, 20);
    cap = floor + draw(0, 300);
    layers = draw(1, 12);
    rules = rules_with(floor, cap);
    Budgets budgets;
    for (int l = 0; l < layers; ++l) {
      budgets.push_back(draw(0, 5) == 0 ? 0 : draw(floor, cap));
      rules.locked.push_back(draw(0, 3) == 0);
    }
    if (draw(0, 1) == 0) rules.locked.resize(draw(0, layers));
    plan = plan_with(budgets);
  }

  bool locked(int l) const { return l < static_cast<int>(rules.locked.size()) && rules.locked[l]; }

  void check_limits(const Plan& next) const {
    REQUIRE(next.layers() == layers);
    const Budgets before = budgets_of(plan), after = budgets_of(next);
    for (int l = 0; l < layers; ++l) {
      INFO("layer " << l);
      if (locked(l) || before[l] == 0) {
        REQUIRE(after[l] == before[l]);
      } else {
        REQUIRE(after[l] >= floor);
        REQUIRE(after[l] <= cap);
      }
      REQUIRE(next.of(Phase::prefill)[l].policy == plan.of(Phase::prefill)[l].policy);
    }
    REQUIRE(next.of(Phase::decode) == plan.of(Phase::decode));
  }
};

}  // namespace

TEST_CASE("a layer's gain is taken from the others in proportion to what they have") {
  // 30 tokens from 20 + 40 + 60 + 80 = 200: 3, 6, 9, 12.
  const Plan next = with_budget(plan_with({50, 20, 40, 60, 80}), 0, 80, rules_with(1, 500));
  CHECK(budgets_of(next) == Budgets{80, 17, 34, 51, 68});
  // One token of three equal layers: the remainder goes to the lower layers.
  CHECK(budgets_of(with_budget(plan_with({10, 10, 10, 10}), 3, 11, rules_with(1, 500))) ==
        Budgets{10, 10, 9, 11});
  CHECK(budgets_of(with_budget(plan_with({10, 10, 10, 10}), 3, 9, rules_with(1, 500))) ==
        Budgets{11, 10, 10, 9});
}

TEST_CASE("a layer can only gain what the unlocked others can give") {
  const EditRules rules = rules_with(4, 500, {false, true});
  // Layer 1 is locked, layer 2 is full, layers 3 and 4 have 6 + 16 above the floor.
  CHECK(budgets_of(with_budget(plan_with({50, 90, 0, 10, 20}), 0, 400, rules)) ==
        Budgets{72, 90, 0, 4, 4});
  CHECK(budgets_of(with_budget(plan_with({50, 90}), 0, 400, rules)) == Budgets{50, 90});
}

TEST_CASE("without keep-total the other layers stay and the total changes") {
  EditRules rules = rules_with(4, 100);
  rules.keep_total = false;
  const Plan plan = plan_with({50, 20, 0});
  CHECK(budgets_of(with_budget(plan, 0, 80, rules)) == Budgets{80, 20, 0});
  CHECK(budgets_of(with_budget(plan, 0, 2147483647, rules)) == Budgets{100, 20, 0});
  CHECK(budgets_of(with_budget(plan, 0, -2147483647 - 1, rules)) == Budgets{4, 20, 0});
  CHECK(with_budget(plan, 2, 80, rules) == plan);  // full
  CHECK(with_budget(plan, 3, 80, rules) == plan);  // no such layer
  CHECK(with_budget(plan, -1, 80, rules) == plan);
}

TEST_CASE("an edit of one phase leaves the other alone") {
  Plan plan = plan_with({50, 20});
  plan.of(Phase::decode) = plan.of(Phase::prefill);
  EditRules rules = rules_with(1, 100);
  rules.phase = Phase::decode;
  const Plan next = with_budget(plan, 0, 60, rules);
  CHECK(next.of(Phase::prefill) == plan.of(Phase::prefill));
  CHECK(next.of(Phase::decode)[0].budget == 60);
  CHECK(next.of(Phase::decode)[1].budget == 10);
}

TEST_CASE("thousands of random budget edits keep the total, the limits and the direction") {
  for (int seed = 0; seed < 5000; ++seed) {
    RandomEdit edit(seed);
    const int layer = edit.draw(0, edit.layers - 1);
    const int wanted = edit.draw(-20, edit.cap + 50);
    INFO("seed " << seed << ", layer " << layer << ", wanted " << wanted);
    const Plan next = with_budget(edit.plan, layer, wanted, edit.rules);
    edit.check_limits(next);
    REQUIRE(next.total(Phase::prefill) == edit.plan.total(Phase::prefill));

    const Budgets before = budgets_of(edit.plan), after = budgets_of(next);
    if (before[layer] == 0 || edit.locked(layer)) {
      REQUIRE(next == edit.plan);
      continue;
    }
    // The layer stops short of the wish only when the others cannot give or take more.
    const int wish = std::clamp(wanted, edit.floor, edit.cap), gain = wish - before[layer];
    for (int l = 0; l < edit.layers; ++l) {
      if (l == layer || before[l] == 0 || edit.locked(l)) continue;
      INFO("other layer " << l);
      if (gain >= 0) REQUIRE(after[l] <= before[l]);
      if (gain <= 0) REQUIRE(after[l] >= before[l]);
      if (after[layer] < wish) REQUIRE(after[l] == edit.floor);
      if (after[layer] > wish) REQUIRE(after[l] == edit.cap);
    }
  }
}

TEST_CASE("others give in proportion within one token when no limit is near") {
  std::mt19937 random(3);
  for (int round = 0; round < 1000; ++round) {
    Budgets budgets;
    for (int l = 0; l < 7; ++l) {
      budgets.push_back(std::uniform_int_distribution<int>(100, 400)(random));
    }
    const int delta = std::uniform_int_distribution<int>(-90, 90)(random);
    const Plan next = with_budget(plan_with(budgets), 2, budgets[2] + delta, rules_with(1, 5000));
    double rest = 0;
    for (int l = 0; l < 7; ++l) rest += l == 2 ? 0 : budgets[l];
    for (int l = 0; l < 7; ++l) {
      const double exact = l == 2 ? budgets[l] + delta : budgets[l] - delta * budgets[l] / rest;
      REQUIRE(std::abs(budgets_of(next)[l] - exact) < 1);
    }
  }
}

TEST_CASE("several layers move by the same number of tokens") {
  const Plan plan = plan_with({50, 50, 40, 60, 0});
  CHECK(budgets_of(with_budgets_moved(plan, {0, 1, 4}, 10, rules_with(1, 500))) ==
        Budgets{60, 60, 32, 48, 0});
  // The others can give 98, so 49 each.
  CHECK(budgets_of(with_budgets_moved(plan, {0, 1}, 90, rules_with(1, 500))) ==
        Budgets{99, 99, 1, 1, 0});
  // The cap stops layer 3 after 5, and layer 0 with it; 10 of 50 + 40.
  CHECK(budgets_of(with_budgets_moved(plan, {0, 3}, 90, rules_with(30, 65))) ==
        Budgets{55, 44, 36, 65, 0});
  CHECK(with_budgets_moved(plan, {}, 10, rules_with(1, 500)) == plan);
  CHECK(with_budgets_moved(plan, {4, 9, -1}, 10, rules_with(1, 500)) == plan);
}

TEST_CASE("thousands of random moves of several layers keep the total and the limits") {
  for (int seed = 0; seed < 5000; ++seed) {
    RandomEdit edit(seed);
    edit.rules.keep_total = edit.draw(0, 3) > 0;
    std::vector<int> layers;
    for (int l = 0; l < edit.layers; ++l) {
      if (edit.draw(0, 1) == 0) layers.push_back(l);
    }
    const int delta = edit.draw(-100, 100);
    INFO("seed " << seed << ", delta " << delta);
    const Plan next = with_budgets_moved(edit.plan, layers, delta, edit.rules);
    edit.check_limits(next);
    const Budgets before = budgets_of(edit.plan), after = budgets_of(next);
    std::optional<int> moved;
    for (const int l : layers) {
      if (before[l] == 0 || edit.locked(l)) continue;
      if (!moved) moved = after[l] - before[l];
      REQUIRE(after[l] - before[l] == *moved);
    }
    REQUIRE(
        (!moved || (delta >= 0 ? *moved >= 0 && *moved <= delta : *moved <= 0 && *moved >= delta)));
    if (edit.rules.keep_total) {
      REQUIRE(next.total(Phase::prefill) == edit.plan.total(Phase::prefill));
    }
    for (int l = 0; l < edit.layers; ++l) {
      if (std::find(layers.begin(), layers.end(), l) != layers.end()) continue;
      if (!edit.rules.keep_total) REQUIRE(after[l] == before[l]);
      REQUIRE((delta >= 0 ? after[l] <= before[l] : after[l] >= before[l]));
    }
  }
}

TEST_CASE("thousands of random totals are met exactly or as near as the limits allow") {
  for (int seed = 0; seed < 5000; ++seed) {
    RandomEdit edit(seed);
    const Budgets before = budgets_of(edit.plan);
    int fixed = 0, free = 0;
    for (int l = 0; l < edit.layers; ++l) {
      if (edit.locked(l)) {
        fixed += before[l];
      } else if (before[l] > 0) {
        ++free;
      }
    }
    const int total = edit.draw(-10, 14 * edit.cap);
    INFO("seed " << seed << ", total " << total);
    const Plan next = with_total(edit.plan, total, edit.rules);
    edit.check_limits(next);
    REQUIRE(next.total(Phase::prefill) ==
            std::clamp(total, fixed + free * edit.floor, fixed + free * edit.cap));
    const Budgets after = budgets_of(next);
    for (int l = 0; l < edit.layers; ++l) {
      if (total >= edit.plan.total(Phase::prefill)) REQUIRE(after[l] >= before[l]);
      if (total <= edit.plan.total(Phase::prefill)) REQUIRE(after[l] <= before[l]);
    }
  }
}

TEST_CASE("a new total is shared in proportion to what the layers have") {
  CHECK(budgets_of(with_total(plan_with({10, 20, 30, 0}), 120, rules_with(1, 500))) ==
        Budgets{20, 40, 60, 0});
  CHECK(budgets_of(with_total(plan_with({10, 20, 30}), 100, rules_with(1, 500, {true}))) ==
        Budgets{10, 36, 54});
}

TEST_CASE("a budget beyond this context stays until it is edited") {
  const Plan plan = plan_with({900, 900, 50});
  const EditRules rules = rules_with(4, 100);
  CHECK(budgets_of(with_budget(plan, 2, 60, rules)) == Budgets{895, 895, 60});
  CHECK(budgets_of(with_budget(plan, 2, 40, rules)) == Budgets{900, 900, 50});  // nobody can take
  EditRules free = rules;
  free.keep_total = false;
  CHECK(budgets_of(with_budget(plan, 0, 500, free)) == Budgets{100, 900, 50});
}

TEST_CASE("another policy keeps the budget and starts with default parameters") {
  Plan plan = plan_with({50, 20, 0});
  plan.of(Phase::prefill)[0].params["x"] = 1.0;
  plan.of(Phase::prefill)[0].extra = R"({"why":"kept"})";
  const Plan next = with_policy(plan, 0, "snapkv", rules_with(1, 500));
  CHECK(next.of(Phase::prefill)[0].policy == "snapkv");
  CHECK(next.of(Phase::prefill)[0].params.empty());
  CHECK(next.of(Phase::prefill)[0].extra == R"({"why":"kept"})");
  CHECK(budgets_of(next) == Budgets{50, 20, 0});
  CHECK(with_policy(plan, 0, "knorm", rules_with(1, 500)) == plan);
}

TEST_CASE("full gives the budget away and a layer back from full gets the mean of the others") {
  const Plan full = with_policy(plan_with({50, 21, 40}), 0, "full", rules_with(1, 500));
  CHECK(budgets_of(full) == Budgets{0, 21, 40});
  CHECK(full.of(Phase::prefill)[0].policy == "full");
  CHECK(budgets_of(with_policy(full, 0, "h2o", rules_with(1, 500))) == Budgets{31, 21, 40});
  CHECK(budgets_of(with_policy(plan_with({0, 0}), 1, "h2o", rules_with(1, 500))) == Budgets{0, 62});
  CHECK(budgets_of(with_policy(plan_with({0, 0}), 1, "h2o", rules_with(9, 40))) == Budgets{0, 9});
}

TEST_CASE("a policy that does not exist or not in this phase is refused") {
  EditRules rules = rules_with(1, 500);
  CHECK_THROWS_WITH(with_policy(plan_with({50}), 0, "snapkb", rules), Contains("'snapkv'"));
  rules.phase = Phase::decode;
  CHECK_THROWS_WITH(with_policy(plan_with({50}), 0, "snapkv", rules),
                    Contains("layer 0 decode") && Contains("prefill only"));
}

TEST_CASE("filling by an allocator keeps the total and leaves locked and full layers alone") {
  for (int seed = 0; seed < 1000; ++seed) {
    RandomEdit edit(seed);
    std::vector<double> values;
    for (int l = 0; l < edit.layers; ++l) values.push_back(edit.draw(0, 50));
    for (const char* id : {"uniform", "pyramid", "proportional"}) {
      INFO(id << ", seed " << seed);
      const Plan next = with_allocator(edit.plan, find_allocator(id), values, edit.rules);
      edit.check_limits(next);
      REQUIRE(next.total(Phase::prefill) == edit.plan.total(Phase::prefill));
      // Nothing but budgets changes.
      Plan same = next;
      for (int l = 0; l < edit.layers; ++l) {
        same.of(Phase::prefill)[l].budget = edit.plan.of(Phase::prefill)[l].budget;
      }
      REQUIRE(same == edit.plan);
    }
  }
}

TEST_CASE("filling by an allocator shares by each layer's own signal") {
  // Layer 1 is full, layer 2 locked: 100 tokens in parts 1 : 4 for layers 0 and 3.
  const Plan plan = plan_with({50, 0, 64, 50});
  const EditRules rules = rules_with(1, 0, {false, false, true});
  const Plan next = with_allocator(plan, find_allocator("proportional"), Signal({1, 9, 9, 4}),
                                   rules, {{"eps", 0.0}});
  // The floor of 1 each, then 98 in parts.
  CHECK(budgets_of(next) == Budgets{21, 0, 64, 79});
  CHECK(budgets_of(with_allocator(plan, find_allocator("uniform"), {}, rules)) ==
        Budgets{50, 0, 64, 50});
}

TEST_CASE("filling by an allocator works in the phase of the rules") {
  Plan plan = plan_with({50, 50});
  for (LayerChoice& choice : plan.of(Phase::decode)) {
    choice.policy = "knorm";
    choice.budget = 20;
  }
  EditRules rules = rules_with(2, 0);
  rules.phase = Phase::decode;
  const Plan next = with_allocator(plan, find_allocator("proportional"), Signal({0, 1}), rules);
  CHECK(budgets_of(next) == Budgets{50, 50});
  CHECK(next.of(Phase::decode)[0].budget == 2);
  CHECK(next.of(Phase::decode)[1].budget == 38);
}

TEST_CASE("an allocator that cannot fill a plan says why and names the plan's layer") {
  const Plan plan = plan_with({0, 50, 50});
  const EditRules rules = rules_with(1, 60);
  const Allocator& by_signal = find_allocator("proportional");
  CHECK_THROWS_WITH(with_allocator(plan, by_signal, Signal({1, 2}), rules),
                    Contains("3 layers") && Contains("found 2"));
  CHECK_THROWS_WITH(with_allocator(plan, by_signal, {}, rules), Contains("'values'"));
  CHECK_THROWS_WITH(with_allocator(plan, by_signal, Signal({1, 1, -2}), rules),
                    Contains("layer 2"));
  CHECK_THROWS_WITH(with_allocator(plan, find_allocator("uniform"), {}, rules_with(1, 40)),
                    Contains("100 is too large"));
  CHECK_THROWS_AS(with_allocator(plan, find_allocator("cake"), Signal({1, 1, 1}), rules), Error);
}

TEST_CASE("a parameter is set in the layers named, and its default takes it out again") {
  Plan plan = plan_with({10, 20, 0, 30});
  for (LayerChoice& choice : plan.of(Phase::prefill)) {
    if (choice.budget) choice.policy = "snapkv";
  }
  const Plan next = with_param(plan, Phase::prefill, {0, 2, 3, 9}, "window", 16.0);
  CHECK(next.of(Phase::prefill)[0].params == Params{{"window", 16.0}});
  CHECK(next.of(Phase::prefill)[1] == plan.of(Phase::prefill)[1]);
  CHECK(next.of(Phase::prefill)[2] == plan.of(Phase::prefill)[2]);  // full has none
  CHECK(next.of(Phase::prefill)[3].params == Params{{"window", 16.0}});
  CHECK(next.of(Phase::decode) == plan.of(Phase::decode));
  CHECK(with_param(next, Phase::prefill, {0, 3}, "window", 8.0) == plan);  // the default
  CHECK(with_param(next, Phase::prefill, {0, 3}, "window", std::nullopt) == plan);
  CHECK(with_param(plan, Phase::prefill, {0}, "nonsense", 1.0) == plan);
}

TEST_CASE("another inner policy takes away the parameters it does not know") {
  Plan plan = plan_with({10});
  plan.of(Phase::prefill)[0] = {"chunkkv", 10, {{"chunk", 4.0}, {"window", 16.0}}, "{}"};
  const Plan next = with_param(plan, Phase::prefill, {0}, "inner", std::string("random"));
  CHECK(next.of(Phase::prefill)[0].params ==
        Params{{"chunk", 4.0}, {"inner", std::string("random")}});
}

TEST_CASE("a parameter that does not fit is refused with layer and phase") {
  Plan plan = plan_with({10});
  plan.of(Phase::prefill)[0].policy = "snapkv";
  CHECK_THROWS_WITH(with_param(plan, Phase::prefill, {0}, "window", 0.0),
                    Contains("layer 0 prefill") && Contains("window"));
  CHECK_THROWS_AS(with_param(plan, Phase::prefill, {0}, "window", true), Error);
}

TEST_CASE("`every` is a parameter while decoding only") {
  Plan plan = plan_with({10});
  plan.of(Phase::prefill)[0].policy = "tova";
  plan.of(Phase::decode)[0] = {"tova", 10, {}, "{}"};
  const Plan next = with_param(plan, Phase::decode, {0}, "every", 4.0);
  CHECK(cut_interval(next.of(Phase::decode)[0]) == 4);
  CHECK(with_param(plan, Phase::prefill, {0}, "every", 4.0) == plan);
}

TEST_CASE("the first layer that evicts while decoding gets its prefill budget as cap") {
  Plan plan = plan_with({10, 33});
  EditRules rules = rules_with(1, 800);
  rules.phase = Phase::decode;
  const Plan next = with_policy(plan, 1, "tova", rules);
  CHECK(next.of(Phase::decode)[1].budget == 33);
  CHECK(with_policy(next, 0, "tova", rules).of(Phase::decode)[0].budget == 33);  // the others' mean
}
