#include "core/plan/plan_notes.h"

#include <catch2/catch.hpp>

using namespace polykv;

TEST_CASE("a budget below the protected tokens is said with layer, budget and number, others not") {
  Plan plan = uniform_plan("snapkv", 8, 3, QueryVisibility::agnostic);
  CHECK(plan_notes(plan).empty());
  plan.of(Phase::prefill)[1].budget = 7;
  plan.of(Phase::decode)[2] = {"streaming_llm", 3, {}};
  const std::vector<std::string> notes = plan_notes(plan);
  REQUIRE(notes.size() == 2);
  CHECK_THAT(notes[0], Catch::Contains("layer 1 prefill: budget 7 is below the 8"));
  CHECK_THAT(notes[1], Catch::Contains("layer 2 decode: budget 3 is below the 4"));
}
