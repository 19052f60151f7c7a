#include "core/plan/control.h"

#include <catch2/catch.hpp>

using namespace polykv;

TEST_CASE("a control keeps every budget and leaves full layers full") {
  Plan plan = uniform_plan("snapkv", 20, 4, QueryVisibility::aware);
  plan.of(Phase::prefill)[1] = {"full", std::nullopt, {}};
  plan.of(Phase::prefill)[2] = {"tova", 7, {}};
  plan.of(Phase::prefill)[3].params["window"] = 4.0;
  const Plan control = control_plan(plan, "random", "control");
  CHECK(control.name == "control");
  CHECK(control.query == QueryVisibility::aware);
  CHECK(control.total(Phase::prefill) == plan.total(Phase::prefill));
  CHECK(control.of(Phase::prefill)[1].policy == "full");
  for (const int l : {0, 2, 3}) {
    CHECK(control.of(Phase::prefill)[l].policy == "random");
    CHECK(control.of(Phase::prefill)[l].budget == plan.of(Phase::prefill)[l].budget);
    CHECK(control.of(Phase::prefill)[l].params.empty());
  }
}

TEST_CASE("even budgets keep the total, the policies and the layers without a budget") {
  Plan plan = uniform_plan("snapkv", 10, 4, QueryVisibility::agnostic);
  plan.of(Phase::prefill)[0].budget = 3;
  plan.of(Phase::prefill)[1] = LayerChoice{};
  plan.of(Phase::prefill)[3].policy = "tova";
  const Plan even = even_budgets(plan);
  CHECK(even.total(Phase::prefill) == 23);
  CHECK(even.of(Phase::prefill)[0].budget == 8);
  CHECK_FALSE(even.of(Phase::prefill)[1].budget);
  CHECK(even.of(Phase::prefill)[2].budget == 8);
  CHECK(even.of(Phase::prefill)[3].budget == 7);
  CHECK(even.of(Phase::prefill)[3].policy == "tova");
}
