#include <catch2/catch.hpp>
#include <cmath>

#include "tests/views/window_stage.h"
#include "views/keys.h"
#include "views/layers_model.h"

namespace polykv {
namespace {

Stage full_stage() {
  const Plan plan = fake_plan();
  return Stage(fake_snapshot(Fake::full, plan), fake_ui(plan));
}

int total(const Plan& plan) {
  int sum = 0;
  for (const LayerChoice& choice : plan.of(Phase::prefill)) sum += choice.budget.value_or(0);
  return sum;
}

}  // namespace

TEST_CASE("the window draws an empty, a loading, a fresh, a busy and a full snapshot") {
  for (const Fake kind : {Fake::empty, Fake::loading, Fake::ready, Fake::busy, Fake::full}) {
    const bool has_plan = kind != Fake::empty && kind != Fake::loading;
    const Plan plan = has_plan ? fake_plan() : Plan{};
    Stage stage(fake_snapshot(kind, plan), has_plan ? fake_ui(plan) : Ui{});
    CHECK(stage.vertices() > 100);
    CHECK(stage.ui.places.count("panel.heatmap") == 1);
    CHECK(stage.ui.places.count("bar.0") == (has_plan ? 1u : 0u));
    CHECK(stage.posted().empty());
  }
}

TEST_CASE("a mouse drag on bar.2 changes layer 2, keeps the total exactly and posts its plan") {
  Stage stage = full_stage();
  const int before = stage.budget(2), sum = total(stage.plan());
  const Rect bar = stage.ui.places.at("bar.2");
  stage.point_at("bar.2");
  stage.press();
  CHECK(stage.posted().empty());  // a press alone changes nothing
  CHECK(stage.ui.selected.layer == 2);
  stage.drag(0, -20);
  CHECK(stage.ui.pill == Pill::preview);
  const int after = stage.budget(2);
  // 104 px of track for 128 tokens: 20 px are 24.6 tokens
  CHECK(std::abs(after - before - std::lround(20 / bar.h * 128)) <= 1);
  CHECK(total(stage.plan()) == sum);
  REQUIRE_FALSE(stage.posted().empty());
  CHECK(stage.posted().back().plan == stage.plan());
  CHECK(stage.posted().back().edit == stage.ui.edit);
  stage.release();
  CHECK(stage.budget(2) == after);
  CHECK_FALSE(stage.ui.history.dragging());
  Frame frame{stage.now, stage.ui, stage.theme, stage.out};
  step_plan(frame, true);
  CHECK(stage.budget(2) == before);  // one drag is one undo step
}

TEST_CASE("the frame of a drag already shows the proxy of its plan") {
  Stage stage = full_stage();
  stage.point_at("bar.1");
  stage.press();
  const double before = stage.ui.proxy.by_layer.at(1);
  stage.mouse.y -= 12;
  stage.draw(1);
  CHECK(stage.ui.proxy.by_layer.at(1) > before);
  CHECK(stage.ui.proxy_key.plan == stage.plan());
}

TEST_CASE("dragging back to the start gives back every layer's budget") {
  Stage stage = full_stage();
  const Plan start = stage.plan();
  stage.point_at("bar.1");
  stage.press();
  stage.drag(0, 40);
  CHECK_FALSE(stage.plan() == start);
  stage.drag(0, -40);
  CHECK(stage.plan() == start);
}

TEST_CASE("Escape takes a drag back and asks for the old plan's score") {
  Stage stage = full_stage();
  const Plan start = stage.plan();
  stage.point_at("bar.1");
  stage.press();
  stage.drag(0, 30);
  stage.key(kKeyEscape);
  CHECK(stage.plan() == start);
  CHECK(stage.posted().back().plan == start);
  stage.drag(0, 30);  // the button is still down
  stage.release();
  CHECK(stage.plan() == start);
  CHECK_FALSE(stage.ui.history.can_undo());
}

TEST_CASE("a drag stops at the tokens a policy always keeps and says why") {
  Stage stage = full_stage();
  stage.point_at("bar.1");  // snapkv: its window
  stage.press();
  stage.drag(0, 400);
  const BandModel band = condense_band(stage.now, stage.ui);
  CHECK(band.layers[1].floor > 1);
  CHECK(stage.budget(1) == band.layers[1].floor);
  CHECK(stage.ui.message.find("always keeps") != std::string::npos);
}

TEST_CASE("a drag above the top of the scale goes on") {
  Stage stage = full_stage();
  stage.ui.band.keep_total = false;
  stage.point_at("bar.1");
  stage.press();
  stage.drag(0, -200);
  CHECK(stage.budget(1) > 200);
  CHECK(stage.budget(1) <= 948);
}

TEST_CASE("a locked bar cannot be dragged and keeps its budget when others are") {
  Stage stage = full_stage();
  stage.click("lock.2");
  REQUIRE(stage.ui.band.locked.at(2));
  const int locked = stage.budget(2), other = stage.budget(1);
  stage.point_at("bar.2");
  stage.press();
  stage.drag(0, -30);
  CHECK_FALSE(stage.ui.history.dragging());
  CHECK(stage.ui.pill == Pill::exact);
  stage.release();
  CHECK(stage.budget(2) == locked);
  CHECK(stage.posted().empty());
  stage.point_at("bar.1");
  stage.press();
  stage.drag(0, 30);
  stage.release();
  CHECK(stage.budget(2) == locked);
  CHECK(stage.budget(1) < other);
  stage.click("lock.2");
  CHECK_FALSE(stage.ui.band.locked.at(2));
}

TEST_CASE("arrow keys select layers and move the selected budget by 1, with Shift by 8") {
  Stage stage = full_stage();
  REQUIRE(stage.ui.selected.layer == 1);
  const int sum = total(stage.plan()), before = stage.budget(1);
  stage.key(kKeyUp);
  CHECK(stage.budget(1) == before + 1);
  stage.key(kKeyUp, false, true);
  CHECK(stage.budget(1) == before + 9);
  stage.key(kKeyDown, false, true);
  CHECK(stage.budget(1) == before + 1);
  CHECK(total(stage.plan()) == sum);
  CHECK(stage.posted().size() == 3);
  stage.key(kKeyRight);
  CHECK(stage.ui.selected.layer == 2);
  stage.key(kKeyLeft);
  stage.key(kKeyLeft);
  stage.key(kKeyLeft);
  CHECK(stage.ui.selected.layer == 0);
}

TEST_CASE("Ctrl Z goes back, Ctrl Shift Z and Ctrl Y go forth, and each is posted") {
  Stage stage = full_stage();
  const Plan start = stage.plan();
  stage.key(kKeyUp);
  const Plan edited = stage.plan();
  stage.key(kKeyZ, true);
  CHECK(stage.plan() == start);
  stage.key(kKeyZ, true, true);
  CHECK(stage.plan() == edited);
  stage.key(kKeyZ, true);
  stage.key(kKeyY, true);
  CHECK(stage.plan() == edited);
  CHECK(stage.posted().size() == 5);
  CHECK(stage.posted().back().edit == 6);
  stage.click("undo");
  CHECK(stage.plan() == start);
  stage.click("redo");
  CHECK(stage.plan() == edited);
}

TEST_CASE("a value is typed after a double click; Enter applies it, Escape does not") {
  Stage stage = full_stage();
  stage.double_click("value.3");
  REQUIRE(stage.ui.band.typing_layer == 3);
  stage.type("77");
  stage.key(kKeyEnter);
  CHECK(stage.budget(3) == 77);
  CHECK(stage.ui.band.typing_layer == -1);
  CHECK(stage.posted().size() == 1);
  stage.double_click("value.3");
  stage.type("12");
  stage.key(kKeyEscape);
  CHECK(stage.budget(3) == 77);
  CHECK(stage.ui.band.typing_layer == -1);
}

TEST_CASE("keep total off lets the total grow by what one layer gains") {
  Stage stage = full_stage();
  const int sum = total(stage.plan());
  stage.click("keep_total");
  REQUIRE_FALSE(stage.ui.band.keep_total);
  stage.key(kKeyUp, false, true);
  CHECK(total(stage.plan()) == sum + 8);
}

TEST_CASE("the policy menu of a layer sets that layer alone") {
  Stage stage = full_stage();
  stage.click("policy.4");
  REQUIRE(stage.ui.band.menu_layer == 4);
  stage.click("band policy.tova");
  const auto& layers = stage.plan().of(Phase::prefill);
  CHECK(layers[4].policy == "tova");
  for (const int other : {0, 1, 2, 3, 5})
    CHECK(layers[other] == fake_plan().of(Phase::prefill)[other]);
  CHECK(stage.posted().size() == 1);
  CHECK(stage.ui.band.menu_layer == -1);
}

TEST_CASE("a decode phase that evicts nothing shows every layer full, with nothing to drag") {
  Stage stage = full_stage();
  stage.click("phase.decode");
  REQUIRE(stage.ui.band.phase == Phase::decode);
  const BandModel band = condense_band(stage.now, stage.ui);
  CHECK(band.note.find("every generated token is kept") != std::string::npos);
  for (const BandLayer& layer : band.layers) CHECK(layer.full);
  stage.point_at("bar.1");
  stage.press();
  stage.drag(0, -30);
  stage.release();
  stage.key(kKeyUp);
  CHECK(stage.posted().empty());
}

TEST_CASE("80 layers fit into the band and the selected column stays at least 64 wide") {
  FakeShape shape;
  shape.layers = 80, shape.cases = 1, shape.context = 200;
  const Plan plan = fake_plan(80);
  Stage stage(fake_snapshot(Fake::full, plan, shape), fake_ui(plan));
  const Rect first = stage.ui.places.at("bar.0"), last = stage.ui.places.at("bar.79");
  CHECK(first.x >= 96);
  CHECK(last.x + last.w <= 1600.5f);
  CHECK(stage.ui.places.at("bar.1").w > 40);
  CHECK(last.w >= 1);
}

TEST_CASE("the band's numbers come from the plan, the model and the cases") {
  const Plan plan = fake_plan();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  prepare_frame(now, ui);
  const BandModel band = condense_band(now, ui);
  REQUIRE(band.layers.size() == 6);
  CHECK(band.cap == 948);
  CHECK(band.total == 40 + 104 + 96 + 56 + 48 + 40);
  CHECK(band.layers[1].share == Approx(104.0 / 948));
  CHECK(band.layers[1].bytes == 104.0 * 2 * 2 * 32 * 4);
  CHECK(band.layers[1].kept_mass == now.score.kept_mass_by_layer[1]);
  CHECK(band.layers[1].kept_mass_is_exact);
  CHECK(band.layers[1].selected);
  ui.edit = 2;  // a newer edit: the exact value is an older plan's
  prepare_frame(now, ui);
  const BandModel queued = condense_band(now, ui);
  CHECK_FALSE(queued.layers[1].kept_mass_is_exact);
  CHECK(queued.layers[1].kept_mass == ui.proxy.by_layer[1]);
}

TEST_CASE("the scale's top is a power of two above the largest budget, at most the cap") {
  CHECK(scale_top_for(1, 948) == 32);
  CHECK(scale_top_for(64, 948) == 128);
  CHECK(scale_top_for(104, 948) == 128);
  CHECK(scale_top_for(120, 948) == 256);
  CHECK(scale_top_for(600, 948) == 948);
  CHECK(scale_top_for(948, 948) == 948);
  CHECK(scale_top_for(2000, 948) == 2000);  // a plan from a file
}

TEST_CASE("a budget is typed in tokens, per cent or KiB") {
  CHECK(parse_budget("96", 0, 948, 512) == 96);
  CHECK(parse_budget("1,024", 0, 4096, 512) == 1024);
  CHECK(parse_budget("10%", 0, 948, 512) == 95);
  CHECK(parse_budget("10", 1, 948, 512) == 95);
  CHECK(parse_budget("48 KiB", 0, 948, 512) == 96);
  CHECK(parse_budget("48", 2, 948, 512) == 96);
  CHECK(parse_budget("96 tok", 2, 948, 512) == 96);
  for (const char* wrong : {"", "abc", "0", "-3", "12 apples", "nan", "inf", "1e99"})
    CHECK_FALSE(parse_budget(wrong, 0, 948, 512).has_value());
}

}  // namespace polykv
