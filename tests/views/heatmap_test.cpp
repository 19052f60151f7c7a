// The heatmap: condensing against plain loops, the axis, and the panel drawn without a window.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "tests/views/heatmap_screen.h"
#include "views/heatmap_model.h"
#include "views/heatmap_parts.h"
#include "views/keys.h"

using namespace polykv;

namespace {

HeatTile random_tile(int first_row, int rows, int columns, unsigned seed) {
  HeatTile tile;
  tile.first_row = first_row, tile.rows = rows, tile.columns = columns;
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> exponent(-5, 0);
  for (int r = 0; r < rows; ++r) {
    for (int k = 0; k < columns; ++k) {
      tile.values.push_back(k <= first_row + r ? std::pow(10.0f, exponent(random)) : 0.0f);
    }
  }
  return tile;
}

float value_at(const HeatTile& tile, int r, int k) { return tile.values[r * tile.columns + k]; }

int level_of(const HeatGrid& grid, int r, int c) { return grid.level[r * grid.columns + c]; }

struct Panel {
  Screen screen{1016, 440};
  Plan plan = fake_plan(6);
  Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  int frame(int key = -1, char typed = 0) {
    return screen.frame(
        now, ui, [](Frame& f, Rect r) { draw_heatmap(f, r); }, key, typed);
  }
  int tokens() const { return static_cast<int>(now.cases->cases[0].tokens.size()); }
  TokenAxis axis() {
    const Rect m = ui.places["heatmap"];
    return token_axis({ui.heat.first, ui.heat.count}, tokens(), m.x, m.w);
  }
  void point(float share_x, float share_y) {
    const Rect m = ui.places["heatmap"];
    screen.mouse = ImVec2(std::floor(m.x + share_x * m.w), std::floor(m.y + share_y * m.h));
  }
  void press_and_release() {
    screen.down = true;
    frame();
    screen.down = false;
    frame();
  }
};

}  // namespace

TEST_CASE("a pixel and its token find each other at every zoom") {
  for (const double count : {8.0, 37.5, 160.0, 970.0, 32768.0}) {
    const int tokens = 40000;
    const TokenAxis axis = token_axis({1234.25, count}, tokens, 396, 804);
    for (int token = 1235; token < 1235 + count - 1; token += 1 + int(count) / 50) {
      const float middle = axis.x_of(token + 0.5);
      CHECK(static_cast<int>(axis.token_at(middle)) == token);
      const HeatCell cell = cell_at(axis, 100, 220, 22, tokens, middle, 100 + 35);
      if (axis.token_width() > 0.5f) CHECK(cell.column == token);
      CHECK(cell.row == 3);
    }
  }
}

TEST_CASE("the row under the pointer is the row painted there") {
  const TokenAxis axis = token_axis({}, 100, 0, 100);
  for (const float h : {81.0f, 220.0f, 301.0f}) {
    for (int r = 0; r < 22; ++r) {
      for (float y = row_edge(50, h, 22, r); y < row_edge(50, h, 22, r + 1); ++y) {
        CHECK(cell_at(axis, 50, h, 22, 100, 3, y + 0.5f).row == r);
      }
    }
  }
  CHECK(cell_at(axis, 50, 220, 22, 100, -1, 60).row == -1);
  CHECK(cell_at(axis, 50, 220, 22, 100, 50, 270).row == -1);
}

TEST_CASE("every visible token lies in exactly one bin when tokens are narrower than bins") {
  for (const int step : {1, 2, 3}) {
    const TokenAxis axis = token_axis({100, 5000}, 8192, 0, 804);
    std::vector<int> seen(8192, 0);
    for (int bin = 0; bin < 804 / step; ++bin) {
      const TokenRange range = tokens_in_bin(axis, bin, step, 8192);
      for (int k = range.first; k < range.last; ++k) ++seen[k];
    }
    const int end = static_cast<int>(100 + 5000.0 / 804 * (804 / step) * step);
    for (int k = 0; k < 8192; ++k) {
      if (k != end) CHECK(seen[k] == (k >= 100 && k < end ? 1 : 0));
    }
  }
}

TEST_CASE("pooled pixels equal the maximum and the mean of a plain loop") {
  const HeatTile tile = random_tile(900, 12, 912, 3);
  const TokenAxis axis = token_axis({}, 912, 0, 304);  // exactly three tokens a pixel
  const HeatScale scale{0, 0, 1};
  for (const bool mean : {false, true}) {
    const HeatGrid grid = condense(tile, scale, axis, 304, 1, 12, mean, 0);
    for (int r = 0; r < 12; ++r) {
      for (int c = 0; c < 304; ++c) {
        double best = 0, sum = 0;
        int n = 0;
        for (int k = 3 * c; k < 3 * c + 3; ++k) {
          if (k > 900 + r) continue;
          best = std::max<double>(best, value_at(tile, r, k));
          sum += value_at(tile, r, k);
          ++n;
        }
        if (n == 0) {
          CHECK(level_of(grid, r, c) == kAbove);
        } else {
          CHECK(std::abs(level_of(grid, r, c) - 255 * (mean ? sum / n : best)) <= 0.51);
        }
      }
    }
  }
}

TEST_CASE("a token wider than a pixel fills its pixels with its own value") {
  const HeatTile tile = random_tile(30, 4, 34, 5);
  const TokenAxis axis = token_axis({10, 16}, 34, 0, 160);
  const HeatGrid grid = condense(tile, {0, 0, 1}, axis, 160, 1, 4, true, 0);
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < 160; ++c) {
      CHECK(std::abs(level_of(grid, r, c) - 255 * value_at(tile, r, 10 + c / 10)) <= 0.51);
    }
  }
}

TEST_CASE("hidden sinks neither show nor set the scale") {
  HeatTile tile = random_tile(50, 3, 53, 7);
  for (int r = 0; r < 3; ++r) tile.values[r * 53] = 50;
  CHECK(heat_scale(tile, 0, 0).high == 50);
  CHECK(heat_scale(tile, 0, 4).high <= 1);
  const HeatGrid grid =
      condense(tile, heat_scale(tile, 1, 4), token_axis({}, 53, 0, 53), 53, 1, 3, false, 4);
  for (int r = 0; r < 3; ++r) {
    for (int k = 0; k < 4; ++k) CHECK(level_of(grid, r, k) == kHidden);
    CHECK(level_of(grid, r, 4) >= 0);
  }
  CHECK(key_sums(tile, 4)[0] == 0);
}

TEST_CASE("the log scale gives every decade the same room") {
  const HeatScale scale{1, 1e-4f, 1};
  CHECK(heat_share(scale, 1) == Approx(1));
  CHECK(heat_share(scale, 0.1f) == Approx(0.75));
  CHECK(heat_share(scale, 0.01f) == Approx(0.5));
  CHECK(heat_share(scale, 1e-4f) == Approx(0).margin(1e-6));
  CHECK(heat_share(scale, 0) == 0);
  const auto ticks = scale_ticks({1, 1e-4f, 0.3f});
  REQUIRE(ticks.size() == 5);
  CHECK(ticks[0].label == "0.3");
  CHECK(ticks[1].label == "0.1");
  CHECK(ticks[4].label == "0.0001");
  CHECK(ticks[4].share == Approx(0).margin(1e-5));
}

TEST_CASE("the rank scale orders a row by how many values are larger") {
  HeatTile tile = random_tile(40, 2, 42, 11);
  tile.values[5] = tile.values[9];  // a tie
  const HeatScale scale = heat_scale(tile, 2, 0);
  const HeatGrid grid = condense(tile, scale, token_axis({}, 42, 0, 42), 42, 1, 2, false, 0);
  for (int r = 0; r < 2; ++r) {
    const int seen = 41 + r;
    for (int k = 0; k < seen; ++k) {
      int larger = 0;
      for (int j = 0; j < seen; ++j) larger += value_at(tile, r, j) > value_at(tile, r, k);
      CHECK(rank_in_row(tile, r, k) == larger + 1);
      CHECK(std::abs(level_of(grid, r, k) - 255.0 * (1 - larger / (seen - 1.0))) <= 0.51);
    }
  }
}

TEST_CASE("key sums add what the asking tokens give to each key") {
  const HeatTile tile = random_tile(20, 7, 27, 13);
  const std::vector<float> sums = key_sums(tile, 0);
  for (int k = 0; k < 27; ++k) {
    double sum = 0;
    for (int r = 0; r < 7; ++r) sum += k <= 20 + r ? value_at(tile, r, k) : 0;
    CHECK(sums[k] == Approx(sum));
  }
}

TEST_CASE("zooming keeps the token under the pointer where it is") {
  std::mt19937 random(17);
  std::uniform_real_distribution<double> share(0.2, 0.8);
  TokenView view = {300, 400};
  for (int i = 0; i < 40; ++i) {
    const double s = share(random);
    const double before = view.first + s * view.count;
    const TokenView next = zoom_view(view, 100000, s, i % 3 == 2 ? 1.25 : 0.8);
    CHECK(next.first + s * next.count == Approx(before));
    CHECK(next.count >= kFewestTokens);
    view = next.count > 20 ? next : TokenView{3000, 400};
  }
}

TEST_CASE("a view stays inside the tokens and zooming out ends at everything") {
  CHECK(zoom_view({10, 60}, 100, 0.5, 4).count == 0);
  for (const double by : {-1e6, -3.0, 5.0, 1e6}) {
    const TokenView view = pan_view({10, 60}, 100, by);
    CHECK(view.count == 60);
    CHECK(view.first >= 0);
    CHECK(view.first + view.count <= 100);
  }
  CHECK(zoom_view({}, 5, 0.5, 0.1).count == 0);
  CHECK(clamp_view({5, 3}, 0).count == 0);
  const TokenView around = view_around(470, 480, 970, 160);
  CHECK(around.first + around.count / 2 == Approx(475.5));
}

TEST_CASE("ticks are round, in sight and as far apart as asked") {
  for (const double count : {9.0, 100.0, 970.0, 20000.0}) {
    const TokenAxis axis = token_axis({17, count}, 32768, 0, 800);
    const std::vector<int> ticks = axis_ticks(axis, 32768, 64);
    REQUIRE(ticks.size() >= 2);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
      CHECK(ticks[i] >= axis.first);
      CHECK(ticks[i] <= axis.first + axis.count);
      if (i > 0) CHECK(axis.x_of(ticks[i]) - axis.x_of(ticks[i - 1]) >= 63.9f);
    }
  }
}

TEST_CASE("the bin width keeps the rectangles under the limit") {
  CHECK(bin_step(804, 22, 40000) == 1);
  CHECK(bin_step(804, 22, 9000) == 2);
  for (const int rows : {1, 22, 300, 100000}) {
    const int step = bin_step(804, rows, 9000);
    CHECK(((804 + step - 1) / step * rows <= 9000 || step == 804));
  }
}

TEST_CASE("the hover card stays on the screen and never covers the pinned cell") {
  std::mt19937 random(19);
  std::uniform_real_distribution<float> x(0, 1600), y(0, 1000), near(-40, 40);
  for (int i = 0; i < 2000; ++i) {
    const float px = x(random), py = y(random);
    const Rect pin = {std::clamp(px + near(random), 0.0f, 1580.0f),
                      std::clamp(py + near(random), 0.0f, 980.0f), 8, 12};
    const ImVec2 at = place_card(px, py, 330, 134, ImVec2(1600, 1000), pin, 12);
    INFO("pointer " << px << ", " << py << " pin " << pin.x << ", " << pin.y);
    CHECK((at.x >= 0 && at.y >= 0 && at.x + 330 <= 1600 && at.y + 134 <= 1000));
    const bool apart = at.x >= pin.x + pin.w || pin.x >= at.x + 330 || at.y >= pin.y + pin.h ||
                       pin.y >= at.y + 134;
    CHECK(apart);
  }
}

TEST_CASE("the heatmap says what is missing and draws a map when it is there") {
  int empty = 0;
  for (const Fake kind : {Fake::empty, Fake::loading, Fake::ready, Fake::busy, Fake::full}) {
    Screen screen(1016, 440);
    const Plan plan = fake_plan(6);
    const Snapshot now = fake_snapshot(kind, plan);
    Ui ui = kind == Fake::empty || kind == Fake::loading ? Ui{} : fake_ui(plan);
    int drawn = 0;
    for (int i = 0; i < 3; ++i) {
      drawn = screen.frame(now, ui, [](Frame& f, Rect r) { draw_heatmap(f, r); });
    }
    if (kind == Fake::empty) empty = drawn;
    CHECK(drawn > 40);
    if (now.heat) CHECK(drawn > empty + 5000);
    CHECK(ui.places.count("heatmap") == (now.heat ? 1 : 0));
    CHECK(ui.places.count("panel.heatmap") == 1);
  }
}

TEST_CASE("the heatmap draws in panels of every size") {
  for (const float width : {10.0f, 220.0f, 300.0f, 784.0f, 2400.0f}) {
    for (const float height : {10.0f, 60.0f, 180.0f, 300.0f, 1400.0f}) {
      Screen screen(width, height);
      const Plan plan = fake_plan(6);
      const Snapshot now = fake_snapshot(Fake::full, plan);
      Ui ui = fake_ui(plan);
      for (int i = 0; i < 2; ++i) {
        CHECK(screen.frame(now, ui, [](Frame& f, Rect r) { draw_heatmap(f, r); }) > 0);
      }
    }
  }
}

TEST_CASE("a wheel turn over the drawn map keeps the token under the pointer") {
  Panel p;
  p.frame();
  p.point(0.37f, 0.5f);
  p.frame();
  const double before = p.axis().token_at(p.screen.mouse.x);
  for (const float turn : {3.0f, 2.0f, -1.0f}) {
    p.screen.wheel = turn;
    p.frame();
    p.frame();
    CHECK(p.axis().token_at(p.screen.mouse.x) == Approx(before).margin(0.01));
  }
  CHECK(p.ui.heat.count == Approx(p.tokens() * std::pow(0.8, 4)));
  p.frame(kKeyHome);
  CHECK(p.ui.heat.count == 0);
}

TEST_CASE("a drag moves the map with the pointer and pins nothing") {
  Panel p;
  p.ui.heat.first = 300, p.ui.heat.count = 200;
  p.frame();
  p.point(0.5f, 0.5f);
  p.frame();
  const double under = p.axis().token_at(p.screen.mouse.x);
  p.screen.down = true;
  p.frame();
  for (int i = 0; i < 10; ++i) {
    p.screen.mouse.x += 9;
    p.frame();
  }
  CHECK(p.axis().token_at(p.screen.mouse.x) == Approx(under).margin(0.01));
  p.screen.down = false;
  p.frame();
  CHECK(p.ui.selected.asking == -1);
  CHECK_FALSE(p.ui.heat.panning);
}

TEST_CASE("a click pins the cell under the pointer and escape lets it go") {
  Panel p;
  p.ui.heat.first = 440, p.ui.heat.count = 80;
  p.frame();
  p.point(0.413f, 0.61f);
  p.frame();
  const int column = static_cast<int>(p.axis().token_at(p.screen.mouse.x));
  const int row = static_cast<int>(0.61f * p.now.heat->rows);
  CHECK(p.ui.selected.hover_remembered == column);
  CHECK(p.ui.selected.hover_asking == p.now.heat->first_row + row);
  p.press_and_release();
  CHECK(p.ui.selected.remembered == column);
  CHECK(p.ui.selected.asking == p.now.heat->first_row + row);
  p.screen.mouse = ImVec2(-100, -100);
  p.frame();
  CHECK(p.ui.selected.hover_remembered == -1);
  CHECK(p.ui.selected.remembered == column);
  p.frame(kKeyEscape);
  CHECK(p.ui.selected.asking == -1);
  CHECK(p.ui.selected.remembered == -1);
}

TEST_CASE("a box drawn with shift becomes the view") {
  Panel p;
  p.frame();
  p.point(0.25f, 0.5f);
  p.screen.shift = true;
  p.frame();
  const double left = p.axis().token_at(p.screen.mouse.x);
  p.screen.down = true;
  p.frame();
  p.point(0.5f, 0.6f);
  p.frame();
  const double right = p.axis().token_at(p.screen.mouse.x);
  p.screen.down = false;
  p.frame();
  CHECK(p.ui.heat.first == Approx(left));
  CHECK(p.ui.heat.first + p.ui.heat.count == Approx(right));
  CHECK(p.ui.selected.asking == -1);
}

TEST_CASE("brackets choose the head and ask for its attention once") {
  Panel p;
  p.frame();
  p.frame(-1, ']');
  p.frame();
  REQUIRE(p.screen.out.size() == 1);
  const LookAt* look = std::get_if<LookAt>(&p.screen.out[0]);
  REQUIRE(look);
  CHECK(look->head == 5);
  CHECK(look->layer == p.ui.selected.layer);
  CHECK(p.ui.selected.head == 5);
  p.ui.selected.head = 7;
  p.frame(-1, ']');
  CHECK(p.screen.out.size() == 1);
}

TEST_CASE("the view holds still when a new snapshot arrives") {
  Panel p;
  p.ui.heat.first = 301.5, p.ui.heat.count = 77;
  p.frame();
  p.now = fake_snapshot(Fake::busy, p.plan);
  p.frame();
  CHECK(p.ui.heat.first == 301.5);
  CHECK(p.ui.heat.count == 77);
}
