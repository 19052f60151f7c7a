#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "tests/views/panel_frame.h"
#include "views/scores_model.h"

using namespace polykv;

namespace {

const Rect kPanel{1280, 80, 320, 356};

ScoresModel full_model(const Snapshot& now, Pill pill = Pill::exact) {
  Ui ui = fake_ui(now.plan);
  ui.pill = pill;
  return condense_scores(now, ui);
}

const ScoreLine& line_of(const ScoresModel& model, const std::string& id) {
  for (const ScoreLine& line : model.lines)
    if (line.id == id) return line;
  FAIL("no line " << id);
  return model.lines.front();
}

}  // namespace

TEST_CASE("a better value never lies further left on its plot") {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> any(-3, 3);
  for (int i = 0; i < 2000; ++i) {
    const PlotScale scale{any(random), random() % 2 == 0, 0.05 + std::fabs(any(random)),
                          random() % 2 == 0};
    double worse = any(random), better = any(random);
    if ((worse > better) == scale.higher_is_better) std::swap(worse, better);
    INFO("ceiling " << scale.ceiling << ", span " << scale.span << ": " << worse << ", " << better);
    CHECK(plot_x(scale, better, 112, 10) >= plot_x(scale, worse, 112, 10));
    CHECK(plot_x(scale, worse, 112, 10) >= 0);
    CHECK(plot_x(scale, better, 112, 10) <= 112);
  }
}

TEST_CASE("the ceiling lies its gap from the right end and the span reaches the left end") {
  for (bool root : {false, true}) {
    const PlotScale nll{0, false, 2, root}, recall{0.9, true, 0.5, root};
    CHECK(plot_x(nll, 0, 112, 10) == Approx(102));
    CHECK(plot_x(nll, 2, 112, 10) == Approx(0).margin(1e-4));
    CHECK(plot_x(recall, 0.9, 92, 10) == Approx(82));
    CHECK(plot_x(recall, 0.4, 92, 10) == Approx(0).margin(1e-4));
    CHECK(off_plot(nll, 2.2, 112, 10));
    CHECK_FALSE(off_plot(nll, 1.9, 112, 10));
  }
}

TEST_CASE("every value and control of a score lies on its plot") {
  const ScoresModel model = full_model(fake_snapshot(Fake::full, fake_plan()));
  REQUIRE(model.lines.size() == 5);
  for (const ScoreLine& line : model.lines) {
    INFO(line.id);
    CHECK(line.controls.size() == 2);
    CHECK_FALSE(off_plot(line.scale, line.shown.value, 112, 10));
    for (const ControlMark& control : line.controls)
      CHECK_FALSE(off_plot(line.scale, control.value, 112, 10));
  }
}

TEST_CASE("the span of a plot is the next of 1, 2, 5 times a power of ten") {
  const std::pair<double, double> table[] = {{0.1, 0.1}, {0.11, 0.2}, {0.21, 0.5}, {0.97, 1},
                                             {1, 1},     {1.01, 2},   {6.1, 10},   {340, 500}};
  for (auto [least, span] : table) CHECK(nice_span(least) == Approx(span));
}

TEST_CASE("a value shows no more digits than its interval supports") {
  const auto digits = [](double half) { return digits_supported({1, 1 - half, 1 + half, 16}); };
  CHECK(digits(0.02) == 2);
  CHECK(digits(0.03) == 2);
  CHECK(digits(0.011) == 3);
  CHECK(digits(0.4) == 1);
  CHECK(digits(0.15) == 2);
  CHECK(digits(3) == 0);
  CHECK(digits(1e-7) == 3);
  CHECK(digits(std::numeric_limits<double>::infinity()) == 1);
}

TEST_CASE("recall is written as correct cases of n beside the ceiling's") {
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  for (int k = 0; k <= 16; ++k) {
    now.score.recall.value = k / 16.0;
    const ScoresModel model = full_model(now);
    CHECK(line_of(model, "recall").value == std::to_string(k) + "/16");
    CHECK(line_of(model, "recall").under == "n = 16 · full 16/16");
  }
}

TEST_CASE("recall is marked cannot tell exactly when the full cache gets less than half") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.ceiling.recall = {7 / 16.0, 0.2, 0.7, 16};
  CHECK(line_of(full_model(now), "recall").cannot_tell);
  now.ceiling.recall = {0.5, 0.3, 0.7, 16};
  CHECK_FALSE(line_of(full_model(now), "recall").cannot_tell);
}

TEST_CASE("the answer NLL is the mean over the cases of the difference to the full cache") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  double sum = 0;
  for (const CaseResult& one : *now.results) sum += one.answer_nll - one.full_nll;
  const ScoreLine line = line_of(full_model(now), "answer_nll");
  CHECK(line.shown.value == Approx(sum / 16));
  CHECK(line.shown.low < line.shown.value);
  CHECK(line.scale.ceiling == 0);
  CHECK(line.under == "nats · n = 16 · full 0.02");
  now.ceiling.answer_nll.value = 0.0004;  // not nothing
  CHECK(line_of(full_model(now), "answer_nll").under == "nats · n = 16 · full < 0.01");
  now.ceiling.answer_nll.value = 0.02;
  now.results = nullptr;  // then from the two means
  CHECK(line_of(full_model(now), "answer_nll").shown.value ==
        Approx(now.score.answer_nll.value - now.ceiling.answer_nll.value));
}

TEST_CASE("the score is stale whenever it is not of the plan in hand") {
  const Snapshot now = fake_snapshot(Fake::full, fake_plan());
  CHECK(full_model(now).stale.empty());
  for (Pill pill : {Pill::preview, Pill::queued, Pill::running, Pill::stale})
    CHECK(full_model(now, pill).stale == "stale · mixed-64, before the edit");
}

TEST_CASE("every wording of the stamp carries the query visibility") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  for (QueryVisibility query : {QueryVisibility::agnostic, QueryVisibility::aware}) {
    now.plan.query = query;
    const ScoresModel model = full_model(now);
    REQUIRE(model.stamps.size() >= 2);
    for (const std::string& stamp : model.stamps)
      CHECK(stamp.find(to_string(query)) != std::string::npos);
  }
}

TEST_CASE("bytes that were not planned are flagged") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.score.kv_bytes = now.score.kv_bytes_planned = 48 * 1024;
  now.ceiling.kv_bytes = 384 * 1024;
  CHECK(full_model(now).bytes == "48 of 384 KiB");
  CHECK(full_model(now).bytes_share == Approx(0.125));
  CHECK(full_model(now).bytes_as_planned);
  now.score.kv_bytes = 50 * 1024;
  CHECK_FALSE(full_model(now).bytes_as_planned);
}

TEST_CASE("a score that was not measured shows a dash and one case shows no interval") {
  PanelFrame frame;
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.score.kl_to_full = {};
  const double inf = std::numeric_limits<double>::infinity();
  now.score.kept_mass = {0.7, -inf, inf, 1};
  const ScoresModel model = full_model(now);
  CHECK(line_of(model, "kl_to_full").value == "—");
  CHECK_FALSE(line_of(model, "kl_to_full").measured);
  CHECK(line_of(model, "kept_mass").value == "0.7");
  Ui ui = fake_ui(now.plan);
  CHECK(frame.draw(draw_scores, now, ui, kPanel) > 0);
}

TEST_CASE("the scores panel draws empty, loading, ready, busy and full at every size") {
  PanelFrame frame;
  for (Fake kind : {Fake::empty, Fake::loading, Fake::ready, Fake::busy, Fake::full})
    for (Rect area : {kPanel, Rect{1016, 80, 264, 244}, Rect{0, 0, 90, 50}, Rect{0, 0, 900, 900}}) {
      const Plan plan = fake_plan();
      const Snapshot now = fake_snapshot(kind, plan);
      Ui ui = fake_ui(plan);
      CHECK(frame.draw(draw_scores, now, ui, area) > 0);
      CHECK(ui.places.count("panel.scores") == 1);
    }
}

TEST_CASE("all score rows fit in the window's sizes, one below the other") {
  PanelFrame frame;
  for (Rect area : {kPanel, Rect{1016, 80, 264, 244}}) {
    const Plan plan = fake_plan();
    const Snapshot now = fake_snapshot(Fake::full, plan);
    Ui ui = fake_ui(plan);
    frame.draw(draw_scores, now, ui, area);
    float bottom = area.y + 34;
    for (const char* id : {"recall", "answer_nll", "kl_to_full", "top1_agreement", "kept_mass",
                           "kv_bytes", "rescore_ms"}) {
      INFO(id);
      REQUIRE(ui.places.count("score." + std::string(id)) == 1);
      const Rect row = ui.places["score." + std::string(id)];
      CHECK(row.y >= bottom);
      bottom = row.y + row.h;
    }
    CHECK(bottom <= area.y + area.h);
  }
}
