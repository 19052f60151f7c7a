#include <catch2/catch.hpp>
#include <random>

#include "core/plan/edit.h"

using namespace polykv;

namespace {

Plan named(const std::string& name) {
  Plan plan;
  plan.name = name;
  return plan;
}

}  // namespace

TEST_CASE("undo and redo walk through the steps and a new step forgets what was undone") {
  PlanHistory history(named("a"));
  CHECK_FALSE(history.can_undo());
  history.apply(named("b"));
  history.apply(named("c"));
  history.undo();
  history.undo();
  CHECK(history.current().name == "a");
  history.undo();
  CHECK(history.current().name == "a");
  history.redo();
  CHECK(history.current().name == "b");
  history.apply(named("d"));
  CHECK_FALSE(history.can_redo());
  history.redo();
  CHECK(history.current().name == "d");
  history.undo();
  CHECK(history.current().name == "b");
}

TEST_CASE("applying the same plan is no step and keeps what can be redone") {
  PlanHistory history(named("a"));
  history.apply(named("b"));
  history.undo();
  history.apply(named("a"));
  CHECK_FALSE(history.can_undo());
  CHECK(history.can_redo());
}

TEST_CASE("a drag of many edits is one step") {
  PlanHistory history(named("a"));
  history.begin_drag();
  CHECK(history.dragging());
  for (const char* name : {"b", "c", "d"}) {
    history.apply(named(name));
    CHECK(history.current().name == name);
    CHECK(history.before_drag().name == "a");
  }
  history.end_drag();
  CHECK_FALSE(history.dragging());
  CHECK(history.current().name == "d");
  history.undo();
  CHECK(history.current().name == "a");
  CHECK_FALSE(history.can_undo());
  history.redo();
  CHECK(history.current().name == "d");
}

TEST_CASE("a drag that comes back or is cancelled leaves no step and loses no redo") {
  PlanHistory history(named("a"));
  history.apply(named("b"));
  history.undo();
  SECTION("back to the start") {
    history.begin_drag();
    history.apply(named("c"));
    history.apply(named("a"));
    history.end_drag();
  }
  SECTION("cancelled") {
    history.begin_drag();
    history.apply(named("c"));
    history.cancel_drag();
    CHECK_FALSE(history.dragging());
  }
  SECTION("undone half-way, then let go") {
    history.begin_drag();
    history.apply(named("c"));
    history.undo();
    history.end_drag();
  }
  SECTION("nothing dragged") {
    history.begin_drag();
    history.end_drag();
  }
  CHECK(history.current().name == "a");
  CHECK_FALSE(history.can_undo());
  CHECK(history.can_redo());
}

TEST_CASE("random steps agree with two plain stacks") {
  std::mt19937 random(5);
  PlanHistory history(named("0"));
  std::vector<std::string> past, future;
  std::string now = "0";
  for (int i = 1; i < 3000; ++i) {
    const unsigned what = random() % 4;
    if (what == 0 && !past.empty()) {
      future.push_back(now), now = past.back(), past.pop_back();
      history.undo();
    } else if (what == 1 && !future.empty()) {
      past.push_back(now), now = future.back(), future.pop_back();
      history.redo();
    } else if (what == 2) {
      past.push_back(now), now = std::to_string(i), future.clear();
      history.apply(named(now));
    } else if (what == 3) {
      past.push_back(now), now = std::to_string(i), future.clear();
      history.begin_drag();
      history.apply(named("on the way"));
      history.apply(named(now));
      history.end_drag();
    }
    REQUIRE(history.current().name == now);
    REQUIRE(history.can_undo() == !past.empty());
    REQUIRE(history.can_redo() == !future.empty());
  }
}
