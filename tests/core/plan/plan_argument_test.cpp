#include <catch2/catch.hpp>
#include <filesystem>

#include "core/budgets/signal.h"
#include "core/error.h"
#include "core/files.h"
#include "core/plan/plan.h"

using namespace polykv;
using Catch::Contains;

namespace {

const PlanTarget kSix = {6, 2, ""};

Plan plan_of(const std::string& argument) {
  return plan_from_argument(argument, kSix, QueryVisibility::agnostic);
}

std::vector<int> budgets_of(const Plan& plan) {
  std::vector<int> budgets;
  for (const LayerChoice& layer : plan.of(Phase::prefill)) {
    budgets.push_back(layer.budget.value_or(-1));
  }
  return budgets;
}

}  // namespace

TEST_CASE("POLICY:BUDGET is that policy and budget in every layer's prefill") {
  const Plan plan = plan_from_argument("snapkv:64", kSix, QueryVisibility::aware);
  CHECK(plan.name == "snapkv:64");
  CHECK(plan.query == QueryVisibility::aware);
  CHECK(budgets_of(plan) == std::vector<int>(6, 64));
  for (const LayerChoice& layer : plan.of(Phase::prefill)) CHECK(layer.policy == "snapkv");
  CHECK(plan.of(Phase::decode) == std::vector<LayerChoice>(6));
}

TEST_CASE("the word full is a plan that keeps everything") {
  const Plan plan = plan_of("full");
  CHECK(plan.of(Phase::prefill) == std::vector<LayerChoice>(6));
  CHECK(plan.of(Phase::decode) == std::vector<LayerChoice>(6));
}

TEST_CASE("an allocator shares BUDGET times the layers") {
  CHECK(budgets_of(plan_of("snapkv:64+uniform")) == std::vector<int>(6, 64));
  // The published line with snapkv's window of 8, see budgets_test.
  const Plan plan = plan_of("snapkv:64+pyramid");
  CHECK(plan.name == "snapkv:64+pyramid");
  CHECK(budgets_of(plan) == std::vector<int>{117, 96, 75, 53, 32, 11});
}

TEST_CASE("an allocator that needs a signal shares by the one at hand") {
  const Signal six({1, 1, 1, 1, 1, 5});
  const auto with = [&](const Signal& signal) {
    return plan_from_argument("snapkv:64+error", kSix, QueryVisibility::agnostic, &signal);
  };
  // 32 each, and a tenth of the other 192 as often as the error says: 19.2 and 96; 1 left over.
  CHECK(budgets_of(with(six)) == std::vector<int>{51, 51, 51, 51, 51, 129});
  CHECK_THROWS_WITH(with(Signal({1, 2})), Contains("2 layers") && Contains("6"));
  CHECK_THROWS_WITH(with(Signal({1, 1, 1, 1, 1, -5})), Contains("layer 5"));
}

TEST_CASE("a short form that cannot be meant says what is wrong and what is near") {
  const auto expect = [](const char* argument, const char* part) {
    INFO(argument);
    CHECK_THROWS_WITH(plan_of(argument), Contains(argument) && Contains(part));
    CHECK_THROWS_AS(plan_of(argument), Error);
  };
  expect("snapkb:64", "nearest is 'snapkv'");
  expect("fulll", "nearest is 'full'");
  expect("snapkv", "snapkv:64");
  expect("full:64", "no budget");
  expect("snapkv:64+pyramd", "nearest is 'pyramid'");
  expect("snapkv:64+proportional", "--signal");
  expect("snapkv:64+error", "--signal");
  expect("snapkv:64+", "allocator");
  for (const char* argument :
       {"snapkv:", "snapkv:0", "snapkv:-3", "snapkv:64.5", "snapkv: 64", "snapkv:+64",
        "snapkv:0x40", "snapkv:99999999999", "snapkv:2000000000"}) {
    expect(argument, "snapkv:");
  }
  expect("", "policy");
}

TEST_CASE("a file is read as a plan and keeps its own query") {
  Plan plan = uniform_plan("h2o", 32, 6, QueryVisibility::aware);
  const auto path = std::filesystem::temp_directory_path() / "polykv-argument-without-ending";
  write_plan(path.string(), plan, kSix);
  CHECK(plan_of(path.string()) == plan);
  std::filesystem::remove(path);
  CHECK_THROWS_WITH(plan_of("missing.json"), Contains("missing.json") && Contains("No such file"));
}
