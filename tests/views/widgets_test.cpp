#include "views/widgets.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tests/views/window_stage.h"
#include "views/keys.h"
#include "views/layout.h"

namespace polykv {

TEST_CASE("numbers read as people write them") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1024) == "1,024");
  CHECK(format_count(1234567) == "1,234,567");
  CHECK(format_count(-1024) == "\u22121,024");
  CHECK(format_signed(7, 0) == "+7");
  CHECK(format_signed(-7, 0) == "\u22127");
  CHECK(format_signed(0.0004, 3) == "0.000");
  CHECK(format_number(-0.0004, 3) == "0.000");
  CHECK(format_number(0.0409, 3) == "0.041");
  CHECK(format_number(std::numeric_limits<double>::quiet_NaN(), 3) == "\u2014");
  CHECK(format_percent(0.0625) == "6.25%");
  CHECK(format_percent(0.125) == "12.5%");
  CHECK(format_percent(0.5) == "50%");
  CHECK(format_percent(1) == "100%");
  CHECK(format_percent(0) == "0%");
  CHECK(format_percent(std::numeric_limits<double>::infinity()) == "\u2014");
  CHECK(format_kib(49152) == "48 KiB");
  CHECK(format_kib(26112) == "25.5 KiB");
  CHECK(format_kib(4096.0 * 1024) == "4,096 KiB");
}

TEST_CASE("panels tile the window without gaps or overlaps at any size and scale") {
  for (const float scale : {0.75f, 1.0f, 1.5f})
    for (const auto& [w, h] : {std::pair{1600.0f, 1000.0f}, {1280.0f, 720.0f}, {3840.0f, 2160.0f}})
      for (const int layers : {0, 1, 6, 32, 80}) {
        Theme theme;
        theme.scale = scale;
        const WindowLayout at = lay_out(theme, w, h, layers);
        double area = 0;
        const Rect* all[] = {&at.menu,     &at.context, &at.cases,  &at.prompt, &at.heatmap,
                             &at.keep_map, &at.scores,  &at.pareto, &at.layers, &at.log};
        for (const Rect* r : all) {
          CHECK(r->w > 0);
          CHECK(r->h > 0);
          area += static_cast<double>(r->w) * r->h;
          for (const Rect* other : all)
            if (other != r) CHECK_FALSE(other->contains(r->x + r->w / 2, r->y + r->h / 2));
        }
        CHECK(area == Approx(static_cast<double>(w) * h));
      }
}

TEST_CASE("text wider than its room is cut, and what is drawn fits") {
  const Plan plan = fake_plan();
  Stage stage(fake_snapshot(Fake::full, plan), fake_ui(plan));
  ImGui::NewFrame();
  ImGui::Begin("test");
  const std::string text = "a rather long sentence that has no room";
  const float whole = draw_text(stage.theme, nullptr, 10, 10, IM_COL32_WHITE, text);
  CHECK(whole == Approx(text_width(nullptr, text)));
  for (const float room : {20.0f, 60.0f, 120.0f})
    CHECK(draw_text(stage.theme, nullptr, 10, 10, IM_COL32_WHITE, text, Align::left, room) <=
          room + 0.5f);
  ImGui::End();
  ImGui::Render();
}

TEST_CASE("the hatch stays inside its rectangle and has one line per pitch") {
  const Plan plan = fake_plan();
  Stage stage(fake_snapshot(Fake::full, plan), fake_ui(plan));
  ImGui::NewFrame();
  ImGui::SetNextWindowPos(ImVec2(0, 0));
  ImGui::SetNextWindowSize(ImVec2(800, 600));
  ImGui::Begin("test");
  ImDrawList* list = ImGui::GetWindowDrawList();
  const int before = list->VtxBuffer.Size;
  draw_hatch(stage.theme, {100, 200, 120, 30}, IM_COL32_WHITE, 6);
  const int after = list->VtxBuffer.Size;
  REQUIRE(after > before);
  for (int i = before; i < after; ++i) {
    const ImVec2 at = list->VtxBuffer[i].pos;
    CHECK(at.x >= 98.0f);
    CHECK(at.x <= 222.0f);
    CHECK(at.y >= 198.0f);
    CHECK(at.y <= 232.0f);
  }
  // x + y runs over 300 .. 450: 25 multiples of 6, of which 300 touches only the corner
  const int per_line = 4;  // vertices of one line, with or without the texture for soft edges
  const int lines = (after - before) / per_line;
  CHECK(lines >= 24);
  CHECK(lines <= 26 * 2);
  ImGui::End();
  ImGui::Render();
}

TEST_CASE("F1 shows the keys and Escape puts them away") {
  const Plan plan = fake_plan();
  Stage stage(fake_snapshot(Fake::full, plan), fake_ui(plan));
  stage.key(kKeyF1);
  CHECK(stage.ui.show_keys);
  CHECK(stage.ui.places.count("key_sheet") == 1);
  stage.key(kKeyEscape);
  CHECK_FALSE(stage.ui.show_keys);
}

TEST_CASE("the File menu asks for a path and hands it to the window") {
  const Plan plan = fake_plan();
  Stage stage(fake_snapshot(Fake::full, plan), fake_ui(plan));
  stage.click("menu File");
  stage.click("menu File.Open plan\u2026");
  REQUIRE(stage.ui.asking.kind == FileKind::open_plan);
  stage.draw(2);
  stage.type("plans/mixed.json");
  stage.key(kKeyEnter);
  REQUIRE(stage.ui.files.size() == 1);
  CHECK(stage.ui.files[0].kind == FileKind::open_plan);
  CHECK(stage.ui.files[0].path == "plans/mixed.json");
  CHECK(stage.ui.asking.kind == FileKind::none);
}

TEST_CASE("the View menu changes theme and scale") {
  const Plan plan = fake_plan();
  Stage stage(fake_snapshot(Fake::full, plan), fake_ui(plan));
  stage.click("menu View");
  stage.click("menu View.Light");
  CHECK(stage.ui.theme == ThemeKind::light);
  stage.click("menu View");
  stage.click("menu View.150%");
  CHECK(stage.ui.scale == 1.5f);
}

}  // namespace polykv
