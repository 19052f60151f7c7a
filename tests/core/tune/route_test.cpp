#include "core/tune/route.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "core/error.h"
#include "tests/core/tune/made_calibration.h"

using namespace polykv;

namespace {

RouteSettings of_total(int total) {
  RouteSettings settings;
  settings.total = total;
  return settings;
}

std::vector<std::string> policies_of(const Plan& plan, Phase phase = Phase::prefill) {
  std::vector<std::string> ids;
  for (const LayerChoice& choice : plan.of(phase)) ids.push_back(choice.policy);
  return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("a route takes the best policy of each layer, its inverse the worst") {
  const Calibration c = made_calibration();
  RouteSettings settings = of_total(64);
  // Layer 1: snapkv and keydiff have the same cosine; the first column wins.
  CHECK(policies_of(make_route(c, settings).plan) == Ids{"keydiff", "snapkv"});
  settings.measure = "nll";
  CHECK(policies_of(make_route(c, settings).plan) == Ids{"keydiff", "snapkv"});
  settings.inverse = true;
  CHECK(policies_of(make_route(c, settings).plan) == Ids{"snapkv", "keydiff"});
  settings.measure = "cosine";
  CHECK(policies_of(make_route(c, settings).plan) == Ids{"h2o", "h2o"});
}

TEST_CASE("a route says why each layer goes where it goes, with n") {
  const Route route = make_route(made_calibration(), of_total(64));
  REQUIRE(route.reasons.size() == 2);
  CHECK(route.reasons[0].sentence ==
        "Layer 0 goes to keydiff: cosine 0.900 against 0.600 for snapkv, n = 3.");
  CHECK(route.reasons[0].runner_up == "snapkv");
  RouteSettings by_nll = of_total(64);
  by_nll.measure = "nll";
  CHECK(make_route(made_calibration(), by_nll).reasons[1].sentence ==
        "Layer 1 goes to snapkv: NLL increase 0.200 against 0.250 for h2o, n = 3.");
}

TEST_CASE("a route's budgets sum exactly to its totals and keep the floor") {
  for (const int total : {7, 40, 64, 129, 1001}) {
    for (const char* allocator : {"uniform", "proportional", "pyramid"}) {
      RouteSettings settings = of_total(total);
      settings.allocator = allocator;
      settings.decode_total = total + 3;
      const Plan plan = make_route(made_calibration(), settings).plan;
      INFO(allocator << " " << total);
      CHECK(plan.total(Phase::prefill) == total);
      CHECK(plan.total(Phase::decode) == total + 3);
      for (const LayerChoice& choice : plan.of(Phase::prefill)) {
        CHECK(*choice.budget >= std::min(16, total / 2));
      }
    }
  }
  RouteSettings by_signal = of_total(102);
  by_signal.allocator = "proportional";  // entropy 2 : 1 above the floor of 16
  const Plan plan = make_route(made_calibration(), by_signal).plan;
  CHECK(*plan.of(Phase::prefill)[0].budget > *plan.of(Phase::prefill)[1].budget);
}

TEST_CASE("a policy that protects any budget whole does not hold its layer at the mean") {
  Calibration c = made_calibration();
  c.settings.policies[0] = "streaming_llm";
  c.columns = columns_of_settings(c.settings);
  for (CaseCalibration& one : c.cases) one.cells[0].cosine = one.cells[c.columns.size()].cosine = 1;
  RouteSettings settings = of_total(102);
  settings.allocator = "proportional";
  const Plan plan = make_route(c, settings).plan;
  REQUIRE(policies_of(plan) == Ids{"streaming_llm", "streaming_llm"});
  // Floor 16; the other 70 tokens as the entropies 2 : 1.
  CHECK(*plan.of(Phase::prefill)[0].budget == 63);
  CHECK(*plan.of(Phase::prefill)[1].budget == 39);
}

TEST_CASE("decode is routed only when a decode total is asked for, from its own columns") {
  RouteSettings settings = of_total(64);
  CHECK(policies_of(make_route(made_calibration(), settings).plan, Phase::decode) ==
        Ids{"full", "full"});
  settings.decode_total = 90;
  const Route route = make_route(made_calibration(), settings);
  CHECK(route.reasons.size() == 4);
  CHECK_THAT(route.reasons[2].sentence, Catch::Contains("while decoding"));
  Calibration prefill_only = made_calibration();
  prefill_only.settings.phases = {Phase::prefill};
  prefill_only.columns = columns_of_settings(prefill_only.settings);
  CHECK_THROWS_WITH(make_route(prefill_only, settings), Catch::Contains("no decode column"));
}

TEST_CASE("a route that cannot be made says why") {
  CHECK_THROWS_WITH(make_route(made_calibration(), of_total(1)), Catch::Contains("at least one"));
  Calibration none = made_calibration();
  none.cases.clear();
  CHECK_THROWS_WITH(make_route(none, of_total(64)), Catch::Contains("no case"));
  RouteSettings settings = of_total(64);
  settings.measure = "cosin";
  CHECK_THROWS_WITH(make_route(made_calibration(), settings), Catch::Contains("'cosine'"));
}
