#include <catch2/catch.hpp>
#include <cmath>

#include "tests/views/window_stage.h"
#include "views/heads_model.h"

namespace polykv {
namespace {

// 6 layers, 8 heads: mean of head h in layer l is l/10 + h/100, but 0 for head 0; n as given.
HeadList fake_heads(int n = 30) {
  HeadList list;
  list.query_heads = 8;
  list.n = n;
  for (int l = 0; l < 6; ++l) {
    HeadLayer layer;
    for (int h = 0; h < 8; ++h) {
      const double mean = h == 0 ? 0 : l / 10.0 + h / 100.0;
      layer.srh.push_back({mean, 0.01, n});
      layer.trh.push_back({h == 3 ? 0.2 : 0.0, 0.01, n});
    }
    layer.ranked = rank_heads(layer.srh);
    list.layers.push_back(layer);
  }
  return list;
}

Snapshot with_heads(Snapshot now, int n = 30) {
  now.heads = std::make_shared<HeadList>(fake_heads(n));
  return now;
}

// The window with the heads panel in front.
struct HeadsStage : Stage {
  explicit HeadsStage(Snapshot snapshot) : Stage(std::move(snapshot), fake_ui(fake_plan())) {
    click("tab.Heads");
    out.clear();
  }
};

Snapshot full_with_heads() { return with_heads(fake_snapshot(Fake::full, fake_plan())); }

template <typename T>
std::vector<T> posted(const Stage& stage) {
  std::vector<T> found;
  for (const Command& command : stage.out)
    if (const auto* one = std::get_if<T>(&command)) found.push_back(*one);
  return found;
}

MaskAnswer fake_answer(const std::vector<HeadPlace>& heads, std::uint64_t request) {
  MaskAnswer answer;
  answer.request = request;
  answer.heads = heads;
  answer.cases = 16;
  answer.effect.none = {{1, 0.8, 1, 16}, {0.02, 0, 0.1, 16}};
  answer.effect.chosen = {{{0.25, 0.1, 0.5, 16}, {3.1, 2, 4, 16}}};
  answer.effect.random = {{0.9, 0.85, 0.95, 20}, {0.1, 0, 0.2, 20}};
  answer.effect.draws.resize(20);
  return answer;
}

}  // namespace

TEST_CASE("the threshold starts at a third of the largest score and chooses what reaches it") {
  const Plan plan = fake_plan();
  const Snapshot now = with_heads(fake_snapshot(Fake::full, plan));
  Ui ui = fake_ui(plan);
  HeadsModel model = condense_heads(now, ui);
  CHECK(model.top == Approx(0.57));
  CHECK(model.threshold == Approx(0.19));
  int reach = 0;  // by hand
  for (int l = 0; l < 6; ++l)
    for (int h = 1; h < 8; ++h) reach += l / 10.0 + h / 100.0 >= 0.57 / 3 ? 1 : 0;
  CHECK(model.over == reach);
  CHECK(model.chosen.size() == static_cast<std::size_t>(reach));
  ui.heads.threshold[0] = 0.565;
  model = condense_heads(now, ui);
  REQUIRE(model.chosen.size() == 1);
  CHECK(model.chosen[0] == HeadPlace{5, 7});
  CHECK(model.count == "1 head, top 4 vote");
}

TEST_CASE("a head that scored nothing never passes the threshold, however low it is") {
  const Plan plan = fake_plan();
  const Snapshot now = with_heads(fake_snapshot(Fake::full, plan));
  Ui ui = fake_ui(plan);
  ui.heads.threshold[0] = 0;
  for (const HeadPlace place : condense_heads(now, ui).chosen) CHECK(place.head != 0);
}

TEST_CASE("SRH and TRH have thresholds of their own") {
  const Plan plan = fake_plan();
  const Snapshot now = with_heads(fake_snapshot(Fake::full, plan));
  Ui ui = fake_ui(plan);
  ui.heads.threshold[0] = 0.5;
  ui.heads.score = 1;
  const HeadsModel model = condense_heads(now, ui);
  CHECK(model.top == Approx(0.2));
  CHECK(model.threshold == Approx(0.2 / 3));
  CHECK(model.over == 6);  // head 3 of every layer
}

TEST_CASE("the voters are the best of each layer, as many as compresskv of the plan asks") {
  Plan plan = fake_plan();
  const Snapshot now = with_heads(fake_snapshot(Fake::full, plan));
  Ui ui = fake_ui(plan);
  ui.heads.top = 2;
  HeadsModel model = condense_heads(now, ui);
  CHECK_FALSE(model.votes_in_plan);
  CHECK(model.votes == 2);
  for (const HeadRow& row : model.rows)
    for (int h = 0; h < 8; ++h) CHECK(row.cells[static_cast<std::size_t>(h)].votes == (h >= 6));
  plan.of(Phase::prefill)[3] = {"compresskv", 64, {{"heads", 3.0}}, "{}"};
  ui = fake_ui(plan);
  model = condense_heads(now, ui);
  CHECK(model.votes_in_plan);
  CHECK(model.votes == 3);
  CHECK(voting_layers(plan) == std::vector<int>{3});
  const Plan next = with_votes(plan, 6);
  CHECK(next.of(Phase::prefill)[3].params == Params{{"heads", 6.0}});
  CHECK(next.of(Phase::prefill)[2] == plan.of(Phase::prefill)[2]);
}

TEST_CASE("scores in cells are three characters at most, unknown ones a dash") {
  CHECK(head_text(0.584) == ".58");
  CHECK(head_text(0.997) == "1.0");
  CHECK(head_text(4.14) == "4.1");
  CHECK(head_text(NAN) == "\u2014");
}

TEST_CASE("a list of few answers says so, one of many does not") {
  const Plan plan = fake_plan();
  const Ui ui = fake_ui(plan);
  const Snapshot now = fake_snapshot(Fake::full, plan);
  CHECK(condense_heads(with_heads(now, 12), ui).warning.find("few samples") == 0);
  CHECK(condense_heads(with_heads(now, 30), ui).warning.empty());
}

TEST_CASE("without heads the panel offers to find them, and posts that once") {
  HeadsStage stage(fake_snapshot(Fake::full, fake_plan()));
  CHECK(condense_heads(stage.now, stage.ui).missing.find("16 cases") != std::string::npos);
  CHECK(stage.ui.places.count("heads.matrix") == 0);
  const Rect panel = stage.ui.places.at("heads_panel");
  // The button of the empty state: in the middle, below the sentence at 40% height.
  for (float y = panel.y + 40; y < panel.y + panel.h - 8 && posted<FindHeads>(stage).empty();
       y += 8) {
    stage.mouse = ImVec2(panel.x + panel.w / 2, y);
    stage.draw(2), stage.press(), stage.release();
  }
  CHECK(posted<FindHeads>(stage).size() == 1);
}

TEST_CASE("a click on a cell of the matrix selects its layer and head") {
  HeadsStage stage(full_with_heads());
  const Rect matrix = stage.ui.places.at("heads.matrix");
  stage.mouse = ImVec2(matrix.x + matrix.w - 4, matrix.y + 4);
  stage.draw(2), stage.press(), stage.release();
  CHECK(stage.ui.selected.layer == 0);
  CHECK(stage.ui.selected.head == 7);
  stage.mouse = ImVec2(matrix.x + 4, matrix.y + matrix.h - 4);
  stage.draw(2), stage.press(), stage.release();
  CHECK(stage.ui.selected.layer == 5);
  CHECK(stage.ui.selected.head == 0);
}

TEST_CASE("dragging the handle on the colour bar moves the threshold") {
  HeadsStage stage(full_with_heads());
  const Rect bar = stage.ui.places.at("heads.threshold");
  stage.mouse = ImVec2(bar.x + bar.w / 4, bar.y + 2);
  stage.draw(2), stage.press();
  stage.drag(bar.w / 2, 0);
  stage.release();
  CHECK(stage.ui.heads.threshold[0] == Approx(0.75 * 0.57).margin(0.01));
  CHECK(stage.posted().empty());  // the plan is another matter
}

TEST_CASE("the voters' handle edits compresskv of the plan as one undo step") {
  Plan plan = fake_plan();
  plan.of(Phase::prefill)[2] = {"compresskv", 64, {}, "{}"};
  Stage stage(with_heads(fake_snapshot(Fake::full, plan)), fake_ui(plan));
  stage.click("tab.Heads");
  const Rect slider = stage.ui.places.at("heads.votes");
  stage.point_at("heads.votes");
  stage.press();
  stage.drag(slider.w, 0);
  stage.release();
  CHECK(stage.plan().of(Phase::prefill)[2].params == Params{{"heads", 8.0}});
  Frame frame{stage.now, stage.ui, stage.theme, stage.out};
  step_plan(frame, true);
  CHECK(stage.plan().of(Phase::prefill)[2].params.empty());
  CHECK_FALSE(stage.ui.history.can_undo());
}

TEST_CASE("the mask switch asks for the heads over the threshold, and again for others") {
  HeadsStage stage(full_with_heads());
  stage.click("heads.mask");
  REQUIRE(posted<MaskHeads>(stage).size() == 0);  // half of the heads pass: none left to draw
  CHECK_FALSE(stage.ui.heads.masking);
  stage.ui.heads.threshold[0] = 0.55;
  stage.draw(2);
  stage.click("heads.mask");
  REQUIRE(posted<MaskHeads>(stage).size() == 1);
  CHECK(posted<MaskHeads>(stage)[0].heads == condense_heads(stage.now, stage.ui).chosen);
  stage.now.mask =
      std::make_shared<MaskAnswer>(fake_answer(stage.ui.heads.masked, stage.ui.heads.request));
  stage.draw(3);
  CHECK(posted<MaskHeads>(stage).size() == 1);
  const HeadsModel model = condense_heads(stage.now, stage.ui);
  REQUIRE(model.mask.size() == 3);
  CHECK(model.mask[1].recall == "0.25 [0.10, 0.50]");
  CHECK(model.mask[2].name == "3 at random");
  CHECK(model.mask_note.find("20 draws") != std::string::npos);
  stage.ui.heads.threshold[0] = 0.56;
  CHECK(condense_heads(stage.now, stage.ui).mask_note.starts_with("of other heads"));
  stage.draw(2);
  CHECK(posted<MaskHeads>(stage).size() == 2);
}

TEST_CASE("Cancel in the heads panel cancels what is being measured") {
  HeadsStage stage(full_with_heads());
  stage.now.work = {Work::measuring, 0.4, "case 7 of 16", 5};
  stage.draw(2);
  stage.click("heads.Cancel");
  CHECK(posted<CancelWork>(stage).size() == 1);
}

TEST_CASE(
    "rows of the matrix are 18 high at 1280 x 720: the wheel and a new layer bring the others") {
  Stage stage(full_with_heads(), fake_ui(fake_plan()), 1280, 720);
  stage.click("tab.Heads");
  const Rect matrix = stage.ui.places.at("heads.matrix");
  const auto rows = std::lround((matrix.h + 2) / 18);
  CHECK(rows >= 4);
  REQUIRE(rows < 6);
  CHECK(std::abs(matrix.h + 2 - 18 * static_cast<float>(rows)) <= 1);
  const auto layer_at_top = [&] {
    stage.mouse = ImVec2(matrix.x + 4, matrix.y + 4);
    stage.draw(2), stage.press(), stage.release();
    return stage.ui.selected.layer;
  };
  CHECK(layer_at_top() == 0);
  ImGui::GetIO().MouseWheel = -1;
  stage.draw();
  CHECK(layer_at_top() == 1);
  for (int i = 0; i < 20; ++i) ImGui::GetIO().MouseWheel = -1, stage.draw();
  CHECK(layer_at_top() == 6 - rows);
  stage.ui.selected.layer = 0;  // chosen elsewhere
  stage.draw(2);
  CHECK(layer_at_top() == 0);
  stage.ui.selected.layer = 5;
  stage.draw(2);
  CHECK(layer_at_top() == 6 - rows);
}

TEST_CASE("heads of a large model are drawn, with a window of layers round the selected one") {
  HeadList list = fake_heads();
  list.query_heads = 64;
  list.layers.assign(80, {});
  for (HeadLayer& layer : list.layers) {
    layer.srh.assign(64, {0.1, 0, 30});
    layer.trh = layer.srh;
    layer.ranked = rank_heads(layer.srh);
  }
  const Plan plan = fake_plan(80);
  const FakeShape shape{.layers = 80, .heads = 64, .kv_heads = 8, .context = 100, .cases = 2};
  Snapshot now = fake_snapshot(Fake::full, plan, shape);
  now.heads = std::make_shared<HeadList>(list);
  Stage stage(std::move(now), fake_ui(plan), 1280, 720);
  stage.ui.selected.layer = 70;
  stage.click("tab.Heads");
  const Rect matrix = stage.ui.places.at("heads.matrix"), panel = stage.ui.places.at("heads_panel");
  CHECK(matrix.y + matrix.h <= panel.y + panel.h);
  stage.mouse = ImVec2(matrix.x + 2, matrix.y + 2);
  stage.draw(2), stage.press(), stage.release();
  CHECK(stage.ui.selected.layer > 0);
}

}  // namespace polykv
