#include <catch2/catch.hpp>

#include "tests/views/window_stage.h"
#include "views/context_model.h"
#include "views/keys.h"

namespace polykv {
namespace {

Stage full_stage(float width = 1600, float height = 1000) {
  const Plan plan = fake_plan();
  return Stage(fake_snapshot(Fake::full, plan), fake_ui(plan), width, height);
}

ContextModel context_of(const Snapshot& now, Ui ui) {
  prepare_frame(now, ui);
  return condense_context(now, ui);
}

}  // namespace

TEST_CASE("one click on the query switch posts the same plan with the other visibility") {
  Stage stage = full_stage();
  stage.click("query.aware");
  REQUIRE(stage.posted().size() == 1);
  Plan expected = fake_plan();
  expected.query = QueryVisibility::aware;
  Plan posted = stage.posted()[0].plan;
  posted.name = expected.name;
  CHECK(posted == expected);
  stage.click("query.aware");  // already there
  CHECK(stage.posted().size() == 1);
  stage.click("query.agnostic");
  REQUIRE(stage.posted().size() == 2);
  CHECK(stage.posted()[1].plan.query == QueryVisibility::agnostic);
}

TEST_CASE("an edited plan is named after what it is") {
  Plan plan = fake_plan();
  CHECK(plan_label(plan).rfind("mixed-64 ", 0) == 0);
  Plan other = plan;
  *other.of(Phase::prefill)[0].budget += 1;
  *other.of(Phase::prefill)[1].budget -= 1;
  CHECK(plan_label(other) != plan_label(plan));
  for (LayerChoice& choice : plan.of(Phase::prefill)) choice.policy = "snapkv";
  CHECK(plan_label(plan).rfind("snapkv-64 ", 0) == 0);
  for (LayerChoice& choice : plan.of(Phase::prefill)) choice.budget = 32;
  CHECK(plan_label(plan) == "snapkv:32");
  for (LayerChoice& choice : plan.of(Phase::prefill)) choice = LayerChoice{};
  CHECK(plan_label(plan) == "full");
}

TEST_CASE("a typed total is shared over the layers and reached exactly") {
  Stage stage = full_stage();
  stage.click("total");
  stage.type("600");
  stage.key(kKeyEnter);
  CHECK(stage.plan().total(Phase::prefill) == 600);
  CHECK(stage.posted().size() == 1);
}

TEST_CASE("a total that is no number is refused with a sentence") {
  Stage stage = full_stage();
  stage.click("total");
  stage.type("many");
  stage.key(kKeyEnter);
  CHECK(stage.posted().empty());
  CHECK(stage.ui.message_is_error);
  CHECK(stage.ui.message.find("many") != std::string::npos);
}

TEST_CASE("the policy menu of the bar sets every unlocked layer") {
  Stage stage = full_stage();
  stage.ui.band.locked = {false, true};
  stage.click("policy");
  stage.click("policy of all layers.knorm");
  const auto& layers = stage.plan().of(Phase::prefill);
  for (const int i : {0, 2, 3, 4, 5}) CHECK(layers[static_cast<std::size_t>(i)].policy == "knorm");
  CHECK(layers[1] == fake_plan().of(Phase::prefill)[1]);
  CHECK(stage.posted().size() == 1);
}

TEST_CASE("a click on the engine check runs it") {
  Stage stage = full_stage();
  stage.click("check");
  REQUIRE(stage.out.size() == 1);
  CHECK(std::holds_alternative<RunCheck>(stage.out[0]));
}

TEST_CASE("the parts of the context bar do not overlap, at 1600 and at 1280") {
  for (const float width : {1600.0f, 1280.0f}) {
    Stage stage = full_stage(width, width * 0.6f);
    float right = 0;
    for (const char* name :
         {"model", "policy", "total", "query.agnostic", "query.aware", "pill", "check"}) {
      const Rect& r = stage.ui.places.at(name);
      CHECK(r.x >= right - 0.5f);
      right = r.x + r.w;
    }
    CHECK(right <= width);
  }
}

TEST_CASE("the equation says layers, mean, share and KiB of the plan") {
  const Plan plan = fake_plan();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  // 384 of 6 x 948 tokens = 6.751%; 384 x 512 bytes = 192 KiB
  const ContextModel context = context_of(now, fake_ui(plan));
  CHECK(context.total == 384);
  CHECK(context.equation == "tokens = 6 \u00d7 64 = 6.75% = 192 KiB");
  CHECK(context.short_equation == "tokens = 6.75% = 192 KiB");
  CHECK(context.policy == "mixed");
  CHECK(context.embedded);

  Plan with_full = plan;
  with_full.of(Phase::prefill)[0] = LayerChoice{};
  // 344 + 948 tokens of 5688 = 22.71%; 646 KiB
  CHECK(context_of(now, fake_ui(with_full)).equation ==
        "tokens = 5 \u00d7 68.8 + 1 full = 22.7% = 646 KiB");

  Plan same = plan;
  for (LayerChoice& choice : same.of(Phase::prefill)) choice.policy = "snapkv";
  CHECK(context_of(now, fake_ui(same)).policy == "snapkv");
}

TEST_CASE("the pill follows the edit in hand, the drag and the worker") {
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  CHECK(pill_state(now, ui) == Pill::exact);
  ui.edit = 2;
  CHECK(pill_state(now, ui) == Pill::queued);
  now.running_edit = 2;
  CHECK(pill_state(now, ui) == Pill::running);
  now.running_edit = 0, now.scored_edit = 2;
  CHECK(pill_state(now, ui) == Pill::exact);
  now.scored = false;
  CHECK(pill_state(now, ui) == Pill::queued);
  now.scored = true;
  ui.history.begin_drag();
  CHECK(pill_state(now, ui) == Pill::preview);
  ui.history.end_drag();
  now.work.kind = Work::prefill;  // another case set is on its way in
  CHECK(pill_state(now, ui) == Pill::stale);
  CHECK(pill_state(Snapshot{}, Ui()) == Pill::none);
  CHECK(pill_state(fake_snapshot(Fake::loading, Plan{}), Ui()) == Pill::running);
}

TEST_CASE("a plan the worker gave up on is stale, not queued for ever") {
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  ui.edit = 2;
  now.log.push_back({LogLine::Kind::error, "Out of memory."});
  CHECK(pill_state(now, ui) == Pill::stale);
}

TEST_CASE("the pill's words carry the preview, the share done and the time taken") {
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  CHECK(context_of(now, ui).pill_word == "EXACT");
  CHECK(context_of(now, ui).pill_detail == "42 ms");
  ui.history.begin_drag();
  const ContextModel preview = context_of(now, ui);
  CHECK(preview.pill_word == "PREVIEW");
  CHECK(preview.pill_detail.rfind("kept mass 0.", 0) == 0);
  const Snapshot busy = fake_snapshot(Fake::busy, plan);
  Ui waiting = fake_ui(plan);
  waiting.edit = 2;
  CHECK(context_of(busy, waiting).pill_detail == "62%");
}

TEST_CASE("the engine check says not run, running, OK or how many fail") {
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  const Ui ui = fake_ui(plan);
  CHECK(context_of(now, ui).check_word == "Engine check OK");
  now.check[0].ok = now.check[2].ok = false;
  CHECK(context_of(now, ui).check_word == "Engine check 2 fail");
  now.work.kind = Work::checking;
  CHECK(context_of(now, ui).check_word == "Engine check running");
  now.work.kind = Work::idle;
  now.check.clear();
  CHECK(context_of(now, ui).check_word == "Engine check not run");
}

TEST_CASE("the proxy is computed again for a new plan, case or data, and only then") {
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  prepare_frame(now, ui);
  REQUIRE(ui.proxy.available);
  ui.proxy.kept_mass = -1;  // a mark that a new computation would wipe out
  prepare_frame(now, ui);
  CHECK(ui.proxy.kept_mass == -1);
  ui.selected.case_index = 3;
  prepare_frame(now, ui);
  CHECK(ui.proxy.kept_mass > 0);
  ui.proxy.kept_mass = -1;
  Plan next = plan;
  *next.of(Phase::prefill)[1].budget += 1;
  ui.history.apply(next);
  prepare_frame(now, ui);
  CHECK(ui.proxy.kept_mass > 0);
  ui.proxy.kept_mass = -1;
  now.proxy = std::make_shared<ProxyData>(*now.proxy);
  prepare_frame(now, ui);
  CHECK(ui.proxy.kept_mass > 0);
  now.proxy = nullptr;
  prepare_frame(now, ui);
  CHECK_FALSE(ui.proxy.available);
}

}  // namespace polykv
