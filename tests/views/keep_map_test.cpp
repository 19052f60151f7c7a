// What a layer keeps, as the heatmap and the keep map draw it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "kernels/select.h"
#include "tests/views/heatmap_screen.h"
#include "views/keep_map_model.h"

using namespace polykv;

namespace {

std::vector<char> mask_of(const std::vector<TokenRange>& runs, int tokens) {
  std::vector<char> mask(tokens, 0);
  for (const TokenRange& run : runs) {
    for (int k = run.first; k < run.last; ++k) ++mask[k];
  }
  return mask;
}

bool listed(const std::vector<int>& positions, int token) {
  return std::find(positions.begin(), positions.end(), token) != positions.end();
}

// The fake with another budget in layer 1, as edit 2 that waits for its score.
Ui waiting_ui(const Plan& plan, int budget) {
  Ui ui = fake_ui(plan);
  Plan next = plan;
  next.of(Phase::prefill)[1].budget = budget;
  ui.history.apply(next);
  ui.edit = 2;
  ui.pill = Pill::queued;
  ui.proxy.available = true;
  ui.proxy.kept.resize(plan.layers());
  for (auto& head : ui.proxy.kept) head = {{1, 3, 5}, {2, 3, 900}};
  return ui;
}

}  // namespace

TEST_CASE("an evicted token is one that no list names and that came before the cut") {
  const Plan plan = fake_plan(6);
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  ui.pill = Pill::exact;
  for (int layer = 0; layer < 6; ++layer) {
    const LayerCut cut = layer_cut(now, ui, layer);
    const KeptLayer& kept = (*now.kept)[layer];
    REQUIRE(cut.tokens == 970);
    REQUIRE(cut.cut == 948);
    for (int head = 0; head < 2; ++head) {
      const std::vector<char> in = mask_of(kept_runs(cut, head, 0, cut.tokens), cut.tokens);
      const std::vector<char> out = mask_of(evicted_runs(cut, head, 0, cut.tokens), cut.tokens);
      for (int k = 0; k < cut.tokens; ++k) {
        const bool expected = k >= 948 || listed(kept.positions[head], k);
        CHECK(cut.kept(head, k) == expected);
        CHECK(int(in[k]) == (expected ? 1 : 0));
        CHECK(in[k] + out[k] == 1);
      }
      CHECK(cut.kept_count(head) == *plan.of(Phase::prefill)[layer].budget);
    }
  }
}

TEST_CASE("runs in sight are the runs of the whole cut clipped to what is asked for") {
  const Plan plan = fake_plan(6);
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  ui.pill = Pill::exact;
  const LayerCut cut = layer_cut(now, ui, 2);
  const std::vector<char> all = mask_of(kept_runs(cut, 1, 0, cut.tokens), cut.tokens);
  for (const auto& [from, to] : {std::pair{0, 50}, {471, 472}, {900, 960}, {950, 2000}, {60, 60}}) {
    const std::vector<char> some = mask_of(kept_runs(cut, 1, from, to), cut.tokens);
    for (int k = 0; k < cut.tokens; ++k) {
      CHECK(int(some[k]) == (k >= from && k < to ? int(all[k]) : 0));
    }
  }
}

TEST_CASE("the proxy's cut is drawn only while its edit waits for the exact one") {
  const Plan plan = fake_plan(6);
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = waiting_ui(plan, 3);
  for (const Pill pill : {Pill::preview, Pill::queued, Pill::running}) {
    ui.pill = pill;
    const LayerCut cut = layer_cut(now, ui, 1);
    CHECK(cut.preview);
    CHECK(cut.kept(0, 5));
    CHECK_FALSE(cut.kept(0, 2));
    CHECK(cut.kept(1, 2));
    CHECK(cut.heads_differ());
    CHECK(*cut.choice.budget == 3);
  }
  for (const Pill pill : {Pill::exact, Pill::stale, Pill::none}) {
    ui.pill = pill;
    CHECK_FALSE(layer_cut(now, ui, 1).preview);
    CHECK(*layer_cut(now, ui, 1).choice.budget == 104);
  }
  ui.pill = Pill::queued;
  ui.selected.case_index = 3;  // the proxy's cut is that of another case now
  CHECK_FALSE(layer_cut(now, ui, 1).preview);
  ui.selected.case_index = 0;
  ui.proxy.available = false;
  CHECK_FALSE(layer_cut(now, ui, 1).preview);
}

TEST_CASE("a layer without a budget keeps everything and says so") {
  Plan plan = fake_plan(6);
  plan.of(Phase::prefill)[1].policy = "full";
  plan.of(Phase::prefill)[1].budget.reset();
  const Snapshot now = fake_snapshot(Fake::full, plan);
  Ui ui = fake_ui(plan);
  ui.pill = Pill::exact;
  const LayerCut cut = layer_cut(now, ui, 1);
  CHECK(cut.everything);
  CHECK(evicted_runs(cut, 0, 0, cut.tokens).empty());
  CHECK(verdict(cut, nullptr, 0, 17).kept);
  CHECK(verdict(cut, nullptr, 0, 17).rule == "full keeps everything");
}

TEST_CASE("a token is kept exactly when its rank is within the budget") {
  std::mt19937 random(23);
  for (int trial = 0; trial < 60; ++trial) {
    const int tokens = 1 + static_cast<int>(random() % 90);
    SelectShape shape{2, tokens, 1 + static_cast<int>(random() % 40),
                      static_cast<int>(random() % 6), static_cast<int>(random() % 9)};
    shape = fit_protected(shape);
    LayerScores scores{{}, 2, tokens};
    for (int i = 0; i < 2 * tokens; ++i) scores.scores.push_back(float(random() % 12));  // ties
    std::vector<std::int32_t> kept(2 * kept_count(shape));
    select_cpu(scores.scores.data(), shape, kept.data());

    LayerCut cut;
    cut.tokens = cut.cut = tokens;
    cut.everything = false;
    cut.guard = {shape.sink, shape.recent};
    cut.choice.policy = "snapkv";
    cut.choice.budget = shape.budget;
    for (int head = 0; head < 2; ++head) {
      const auto* row = kept.data() + head * kept_count(shape);
      std::vector<int> ranks;
      for (int k = 0; k < tokens; ++k) {
        const int rank = keep_rank(cut, scores, head, k);
        ranks.push_back(rank);
        INFO("trial " << trial << " head " << head << " token " << k);
        CHECK((rank <= kept_count(shape)) == std::binary_search(row, row + kept_count(shape), k));
      }
      std::sort(ranks.begin(), ranks.end());
      for (int k = 0; k < tokens; ++k) CHECK(ranks[k] == k + 1);
    }
  }
}

TEST_CASE("an evicted token is told how far it missed") {
  LayerCut cut;
  cut.tokens = 12, cut.cut = 10, cut.everything = false;
  cut.choice.policy = "snapkv", cut.choice.budget = 4;
  cut.guard = {1, 1};
  const std::vector<int> kept = {0, 4, 7, 9};
  cut.heads = {kept};
  // candidates 1 .. 8: best 4 and 7, then 2
  const LayerScores scores{{0, 1, 6, 1, 9, 1, 1, 8, 1, 0}, 1, 10};
  CHECK(verdict(cut, &scores, 0, 2).rule == "snapkv keeps 4; short by 1");
  CHECK_FALSE(verdict(cut, &scores, 0, 2).kept);
  CHECK(verdict(cut, &scores, 0, 8).rule == "snapkv keeps 4; short by 6");
  CHECK(verdict(cut, &scores, 0, 7).rule == "rank 4; snapkv keeps 4");
  CHECK(verdict(cut, &scores, 0, 0).rule == "snapkv protects the first 1");
  CHECK(verdict(cut, &scores, 0, 9).rule == "snapkv protects the last 1");
  CHECK(verdict(cut, &scores, 0, 11).rule == "read after the cut");
  CHECK(verdict(cut, nullptr, 0, 2).rule == "snapkv keeps 4");
}

TEST_CASE("control characters of a token become visible") {
  CHECK(visible_text("\nQuestion") == "\\nQuestion");
  CHECK(visible_text("a\tb") == "a\\tb");
  CHECK(visible_text(" 7") == " 7");
}

TEST_CASE("the keep map draws every state and a click in a row selects its layer") {
  const Plan plan = fake_plan(6);
  const auto draw = [](Frame& f, Rect r) { draw_keep_map(f, r); };
  for (const Fake kind : {Fake::empty, Fake::loading, Fake::ready, Fake::busy, Fake::full}) {
    Screen screen(1016, 198);
    const Snapshot now = fake_snapshot(kind, plan);
    Ui ui = kind == Fake::empty || kind == Fake::loading ? Ui{} : fake_ui(plan);
    screen.frame(now, ui, draw);
    const int drawn = screen.frame(now, ui, draw);
    CHECK(drawn > 20);
    if (!now.kept) continue;
    CHECK(drawn > 2000);
    for (int layer = 0; layer < 6; ++layer) {
      screen.mouse = ImVec2(700, 34 + 22 * layer + 11);
      screen.frame(now, ui, draw);
      screen.down = true;
      screen.frame(now, ui, draw);
      screen.down = false;
      screen.frame(now, ui, draw);
      CHECK(ui.selected.layer == layer);
      CHECK(ui.selected.hover_remembered ==
            static_cast<int>((700.0 - 132) / (1016 - 132 - 80) * 970));
    }
  }
}

TEST_CASE("the keep map draws in areas of every size and for 80 layers") {
  for (const int layers : {1, 6, 80}) {
    for (const float width : {10.0f, 260.0f, 784.0f}) {
      for (const float height : {10.0f, 60.0f, 150.0f, 600.0f}) {
        Screen screen(width, height);
        const Plan plan = fake_plan(layers);
        FakeShape shape;
        shape.layers = layers, shape.cases = 1;
        const Snapshot now = fake_snapshot(Fake::full, plan, shape);
        Ui ui = fake_ui(plan);
        for (int i = 0; i < 2; ++i) {
          CHECK(screen.frame(now, ui, [](Frame& f, Rect r) { draw_keep_map(f, r); }) > 0);
        }
      }
    }
  }
}
