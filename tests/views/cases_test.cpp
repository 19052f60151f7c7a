#include <catch2/catch.hpp>

#include "tests/views/panel_frame.h"
#include "views/cases_model.h"

using namespace polykv;

namespace {

const Rect kPanel{0, 80, 264, 286};
constexpr int kPageUp = 266, kPageDown = 267;  // GLFW codes, as the window passes them on

template <class T>
std::vector<T> posted(const std::vector<Command>& out) {
  std::vector<T> found;
  for (const Command& command : out)
    if (const T* one = std::get_if<T>(&command)) found.push_back(*one);
  return found;
}

}  // namespace

TEST_CASE("the case list has one row per case with its depth, gold answer and both fates") {
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  auto results = std::make_shared<std::vector<CaseResult>>(*now.results);
  (*results)[3].full_correct = false;
  results->resize(10);  // the others are not read yet
  now.results = results;
  Ui ui = fake_ui(plan);
  ui.pill = Pill::exact;
  const CasesModel model = condense_cases(now, ui);
  REQUIRE(model.rows.size() == 16);
  for (std::size_t i = 0; i < 16; ++i) {
    INFO("row " << i);
    const CaseRow& row = model.rows[i];
    CHECK(row.index == std::to_string(i + 1));
    CHECK(std::stod(row.depth) == Approx(now.cases->cases[i].source.depth).margin(0.005));
    CHECK(row.answer == "7319");
    if (i >= 10) {
      CHECK(row.plan == Mark::none);
    } else {
      CHECK((row.plan == Mark::right) == (*results)[i].correct);
      CHECK((row.full == Mark::right) == (i != 3));
    }
  }
  CHECK(model.stamp == "n = 16 · 948 tokens");
  CHECK_FALSE(model.stale);
  ui.pill = Pill::running;
  CHECK(condense_cases(now, ui).stale);
}

TEST_CASE("a click on a case row selects the case and asks the worker to look at it") {
  PanelFrame frame;
  const Plan plan = fake_plan();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  ui.selected.layer = 2, ui.selected.head = 5, ui.selected.remembered = 12;
  ui.prompt_scroll = 7;
  frame.draw(draw_cases, now, ui, kPanel);
  REQUIRE(ui.places.count("case.3") == 1);
  frame.point_at(ui.places["case.3"]);
  frame.click(draw_cases, now, ui, kPanel);
  CHECK(ui.selected.case_index == 3);
  CHECK(ui.selected.remembered == -1);
  CHECK(ui.prompt_scroll == -1);
  const auto looks = posted<LookAt>(frame.out);
  REQUIRE(looks.size() == 1);
  CHECK(looks[0].case_index == 3);
  CHECK(looks[0].layer == 2);
  CHECK(looks[0].head == 5);
}

TEST_CASE("a click below the case list's panel selects nothing") {
  PanelFrame frame;
  const Plan plan = fake_plan();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  frame.draw(draw_cases, now, ui, kPanel);
  frame.point_at(100, kPanel.y + kPanel.h + 5);
  frame.click(draw_cases, now, ui, kPanel);
  CHECK(ui.selected.case_index == 0);
  CHECK(frame.out.empty());
}

TEST_CASE(
    "page down and page up step through the cases, keep the row in sight and stop at the ends") {
  PanelFrame frame;
  const Plan plan = fake_plan();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  frame.draw(draw_cases, now, ui, kPanel);
  frame.press(kPageUp, draw_cases, now, ui, kPanel);
  CHECK(ui.selected.case_index == 0);
  for (int i = 1; i <= 17; ++i) {
    frame.press(kPageDown, draw_cases, now, ui, kPanel);
    CHECK(ui.selected.case_index == std::min(i, 15));
    ui.places.clear();
    frame.draw(draw_cases, now, ui, kPanel);
    const std::string place = "case." + std::to_string(ui.selected.case_index);
    REQUIRE(ui.places.count(place) == 1);
    CHECK(ui.places[place].h == Approx(26));
  }
  CHECK(posted<LookAt>(frame.out).size() == 15);
}

TEST_CASE("the wheel scrolls the case list and leaves the selection") {
  PanelFrame frame;
  const Plan plan = fake_plan();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  frame.point_at(100, 200);
  frame.draw(draw_cases, now, ui, kPanel);
  frame.draw(draw_cases, now, ui, kPanel);
  CHECK(ui.places.count("case.15") == 0);
  ImGui::GetIO().MouseWheel = -100;
  ui.places.clear();
  frame.draw(draw_cases, now, ui, kPanel);
  CHECK(ui.places.count("case.15") == 1);
  CHECK(ui.places.count("case.0") == 0);
  CHECK(ui.selected.case_index == 0);
}

TEST_CASE("without cases the panel offers to make 16 and posts the command when pressed") {
  PanelFrame frame;
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  now.cases = nullptr;
  Ui ui = fake_ui(plan);
  for (float y = kPanel.y + 34; y < kPanel.y + kPanel.h && frame.out.empty(); y += 8) {
    frame.point_at(kPanel.x + kPanel.w / 2, y);
    frame.click(draw_cases, now, ui, kPanel);
  }
  const auto made = posted<MakeCases>(frame.out);
  REQUIRE(made.size() == 1);
  CHECK(made[0].count == 16);
}

TEST_CASE("cases are not offered while a model is being opened or none is open") {
  Ui ui;
  CHECK_FALSE(condense_cases(fake_snapshot(Fake::loading, fake_plan()), ui).can_make);
  CHECK_FALSE(condense_cases(fake_snapshot(Fake::empty, fake_plan()), ui).can_make);
  CHECK(condense_cases(fake_snapshot(Fake::loading, fake_plan()), ui).busy == Approx(0.3f));
}

TEST_CASE("scrolling to a row shows all of it and moves no further than needed") {
  for (float scroll : {0.0f, 37.0f, 120.0f})
    for (int row = 0; row < 20; ++row) {
      const float next = scroll_to_row(scroll, row, 20, 26, 200);
      INFO("row " << row << " from " << scroll);
      CHECK(next <= row * 26.0f);
      CHECK(next + 200 >= (row + 1) * 26.0f);
      const bool was_visible = scroll <= row * 26.0f && scroll + 200 >= (row + 1) * 26.0f;
      if (was_visible) CHECK(next == scroll);
    }
}

TEST_CASE("the case list draws empty, loading, ready, busy and full at every size") {
  PanelFrame frame;
  for (Fake kind : {Fake::empty, Fake::loading, Fake::ready, Fake::busy, Fake::full})
    for (Rect area : {kPanel, Rect{0, 0, 232, 150}, Rect{0, 0, 80, 40}, Rect{0, 0, 900, 900}}) {
      const Plan plan = fake_plan();
      const Snapshot now = fake_snapshot(kind, plan);
      Ui ui = fake_ui(plan);
      CHECK(frame.draw(draw_cases, now, ui, area) > 0);
      CHECK(ui.places.count("panel.cases") == 1);
    }
}
