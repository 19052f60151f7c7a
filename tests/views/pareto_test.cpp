#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "tests/views/panel_frame.h"
#include "views/pareto_model.h"

using namespace polykv;

namespace {

const Rect kPanel{1280, 436, 320, 295};

ParetoModel model_of(const Snapshot& now) {
  Ui ui = fake_ui(now.plan);
  ui.pill = Pill::exact;
  return condense_pareto(now, ui);
}

bool touch(const Rect& a, const Rect& b) {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

}  // namespace

TEST_CASE("the front holds exactly the points that no other point beats") {
  std::mt19937 random(11);
  for (int round = 0; round < 100; ++round) {
    Snapshot now = fake_snapshot(Fake::full, fake_plan(2), {2, 2, 1, 64, 2});
    now.runs.clear();
    for (int i = 0; i < 12; ++i) {
      ScoreRow run = now.score;
      run.plan = "run" + std::to_string(i);
      run.kv_bytes = 1024 * (1 + static_cast<int>(random() % 8));
      run.recall.value = static_cast<double>(random() % 9) / 8;
      now.runs.push_back(run);
    }
    const ParetoModel model = model_of(now);
    for (std::size_t i = 0; i < model.points.size(); ++i) {
      bool beaten = false;
      for (const ParetoPoint& other : model.points)
        beaten =
            beaten || (other.kib <= model.points[i].kib && other.recall >= model.points[i].recall &&
                       (other.kib < model.points[i].kib || other.recall > model.points[i].recall));
      const bool on = std::any_of(model.front.begin(), model.front.end(), [&](int k) {
        return model.points[k].kib == model.points[i].kib &&
               model.points[k].recall == model.points[i].recall;
      });
      INFO("round " << round << ", point " << i);
      CHECK(on == !beaten);
    }
    for (std::size_t i = 1; i < model.front.size(); ++i) {
      CHECK(model.points[model.front[i]].kib > model.points[model.front[i - 1]].kib);
      CHECK(model.points[model.front[i]].recall > model.points[model.front[i - 1]].recall);
    }
  }
}

TEST_CASE("plans that a search found stand beside the others and make no front") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  const ParetoModel before = model_of(now);
  auto search = std::make_shared<SearchAnswer>();
  search->search_cases = 8;
  for (int i = 0; i < 3; ++i) {
    SearchStep step;
    step.edit = "step " + std::to_string(i);
    step.score = now.score;
    step.score.recall = wilson(5 + i, 8);
    search->result.steps.push_back(step);
  }
  now.search = search;
  const ParetoModel after = model_of(now);
  REQUIRE(after.points.size() == before.points.size() + 3);
  CHECK(after.front.size() == before.front.size());
  for (const int i : after.front) CHECK(after.points[i].kind != ParetoKind::found);
  CHECK(after.points[2].plan == "step 2");
  CHECK(after.points[2].recall == 7.0 / 8);
  CHECK(after.points.back().kind == ParetoKind::current);
  CHECK(after.stamp == "small: search half, n = 8");
}

TEST_CASE("more KiB never lies further left and every point lies on the axis") {
  const ParetoModel model = model_of(fake_snapshot(Fake::full, fake_plan()));
  for (const ParetoPoint& p : model.points) {
    CHECK(pareto_x(model, p.kib) >= 0);
    CHECK(pareto_x(model, p.kib) <= 1);
    for (const ParetoPoint& q : model.points)
      if (p.kib < q.kib) CHECK(pareto_x(model, p.kib) < pareto_x(model, q.kib));
  }
  const double middle = std::sqrt(model.low_kib * model.high_kib);  // geometric: the axis is log
  CHECK(pareto_x(model, middle) == Approx(0.5));
}

TEST_CASE("the run that is the current plan is one point and the current one is drawn last") {
  const Snapshot now = fake_snapshot(Fake::full, fake_plan());
  const ParetoModel model = model_of(now);  // 4 runs of which the last is the score itself
  CHECK(model.points.size() == 3 + 2 + 1 + 1);
  CHECK(std::count_if(model.points.begin(), model.points.end(),
                      [](const ParetoPoint& p) { return p.plan == "mixed-64"; }) == 1);
  CHECK(model.points.back().kind == ParetoKind::current);
}

TEST_CASE("labels cover no mark, no other label, nothing blocked and stay in the area") {
  std::mt19937 random(5);
  const Rect area{50, 20, 240, 200};
  int drawn = 0;
  for (int round = 0; round < 500; ++round) {
    std::uniform_real_distribution<float> x(50, 290), y(20, 220), width(10, 90);
    std::vector<MarkPlace> marks;
    std::vector<LabelWish> wishes;
    for (int i = 0; i < 14; ++i) {
      marks.push_back({x(random), y(random), i == 0 ? 6.5f : 3.6f});
      if (i < 8) wishes.push_back({i, width(random)});
    }
    const std::vector<Rect> blocked{{50, 100, 240, 2}, {x(random), 20, 2, 80}};
    const std::vector<Rect> labels = place_labels(marks, wishes, 13, 4, area, blocked);
    REQUIRE(labels.size() == wishes.size());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const Rect& a = labels[i];
      if (a.w <= 0) continue;
      ++drawn;
      INFO("round " << round << ", label " << i);
      CHECK((a.x >= 50 && a.y >= 20 && a.x + a.w <= 290.001f && a.y + a.h <= 220.001f));
      CHECK(a.w == wishes[i].width);
      for (const MarkPlace& m : marks)
        CHECK_FALSE(touch(a, {m.x - m.radius, m.y - m.radius, 2 * m.radius, 2 * m.radius}));
      for (std::size_t k = 0; k < i; ++k)
        if (labels[k].w > 0) CHECK_FALSE(touch(a, labels[k]));
      for (const Rect& taken : blocked) CHECK_FALSE(touch(a, taken));
    }
  }
  CHECK(drawn > 500 * 4);  // most labels find a place
}

TEST_CASE("a lone mark gets its label to the right") {
  const auto labels = place_labels({{100, 100, 4}}, {{0, 40}}, 13, 4, {0, 0, 300, 200});
  REQUIRE(labels.size() == 1);
  CHECK(labels[0].x == Approx(108));
  CHECK(labels[0].y + labels[0].h / 2 == Approx(100));
}

TEST_CASE("the Pareto plot draws empty, loading, ready, busy and full at every size") {
  PanelFrame frame;
  for (Fake kind : {Fake::empty, Fake::loading, Fake::ready, Fake::busy, Fake::full})
    for (Rect area :
         {kPanel, Rect{1016, 324, 264, 156}, Rect{0, 0, 90, 50}, Rect{0, 0, 900, 900}}) {
      const Plan plan = fake_plan();
      const Snapshot now = fake_snapshot(kind, plan);
      Ui ui = fake_ui(plan);
      CHECK(frame.draw(draw_pareto, now, ui, area) > 0);
      CHECK(ui.places.count("panel.pareto") == 1);
    }
}

TEST_CASE("a plot of the full cache alone has one point on a usable axis") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.runs.clear();
  now.controls.clear();
  now.score = now.ceiling;
  now.plan.name = "full";
  PanelFrame frame;
  const ParetoModel model = model_of(now);
  CHECK(model.high_kib > model.low_kib * 1.5);
  Ui ui = fake_ui(now.plan);
  frame.draw(draw_pareto, now, ui, kPanel);
  const Rect current = ui.places["pareto.current"];
  CHECK((current.x > kPanel.x && current.x + current.w < kPanel.x + kPanel.w));
}
