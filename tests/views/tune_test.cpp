#include <catch2/catch.hpp>
#include <cmath>

#include "tests/views/window_stage.h"
#include "views/keys.h"
#include "views/layers_model.h"
#include "views/pareto_model.h"
#include "views/tune_model.h"

namespace polykv {
namespace {

const char* const kPolicies[] = {"streaming_llm", "snapkv", "knorm", "tova"};
constexpr int kLayers = 6;

// Cosine of policy p in layer l and case i: 0.5 + 0.1 for the policy that stands at (l mod 4),
// spread by the case; NLL increase the other way round: policy (l + 1) mod 4 is best there.
Calibration fake_calibration(int cases = 24, int done = 24) {
  Calibration c;
  c.layers = kLayers, c.kv_heads = 2, c.case_count = cases;
  c.settings.budget = 64;
  for (const Phase phase : {Phase::prefill, Phase::decode})
    for (const char* policy : kPolicies) c.columns.push_back({phase, policy});
  c.signal_ids = {"entropy", "sink_mass", "recent_mass"};
  for (int i = 0; i < done; ++i) {
    CaseCalibration one;
    one.index = i;
    one.signals.assign(3, std::vector<double>(kLayers));
    for (int l = 0; l < kLayers; ++l) {
      one.signals[0][l] = 1.0 + l + (i % 2 == 0 ? 0.5 : -0.5);
      one.signals[1][l] = 0.25;
      one.signals[2][l] = l == 5 ? 0.9 : 0.1;
      for (int column = 0; column < 8; ++column) {
        const int p = column % 4;
        const bool decode = column >= 4;
        CellScores scores;
        scores.cosine = (p == l % 4) != decode ? 0.6 : 0.5;
        scores.cosine += i % 2 == 0 ? 0.01 : -0.01;
        scores.nll_increase = p == (l + 1) % 4 ? 0.125 : 2.0 + p;
        one.cells.push_back(scores);
      }
    }
    c.cases.push_back(std::move(one));
  }
  return c;
}

Snapshot with_calibration(const Plan& plan, const Calibration& calibration) {
  Snapshot now = fake_snapshot(Fake::full, plan);
  now.calibration = std::make_shared<Calibration>(calibration);
  return now;
}

// The window with the tune panel in front.
struct TuneStage : Stage {
  explicit TuneStage(Snapshot snapshot, Ui ui = fake_ui(fake_plan()), float width = 1600,
                     float height = 1000)
      : Stage(std::move(snapshot), std::move(ui), width, height) {
    click("tab.Tune");
    out.clear();
  }
  template <typename T>
  std::vector<T> asked() const {
    std::vector<T> found;
    for (const Command& command : out)
      if (const auto* one = std::get_if<T>(&command)) found.push_back(*one);
    return found;
  }
  const std::string& policy(int layer) const {
    return plan().of(Phase::prefill)[static_cast<std::size_t>(layer)].policy;
  }
};

ScoreRow row_with(const std::string& name, double nll) {
  ScoreRow row;
  row.plan = name;
  row.answer_nll = {nll, nll * 0.8, nll * 1.2, 8};
  row.recall = {0.5, 0.2, 0.8, 8};
  return row;
}

// Three accepted steps from 0.9 to 0.5 nats in 40 plans.
SearchAnswer fake_search() {
  SearchAnswer answer;
  answer.request = 1;
  answer.search_cases = answer.report_cases = 8;
  answer.objective = "nll";
  Plan plan = fake_plan();
  const struct {
    int evaluation;
    double nll;
  } steps[] = {{1, 0.9}, {7, 0.7}, {31, 0.5}};
  for (const auto& step : steps) {
    plan.of(Phase::prefill)[0].budget = 40 - step.evaluation;
    plan.of(Phase::prefill)[1].budget = 104 + step.evaluation;
    answer.result.steps.push_back({step.evaluation, 1, "step " + std::to_string(step.evaluation),
                                   plan, row_with("x", step.nll)});
  }
  answer.result.evaluations = 40;
  answer.controls = {row_with("full", 0.1), row_with("random", 6.0), row_with("sink+recent", 4.0)};
  return answer;
}

// The plan at 0.5 nats among 100 placements: three better, ninety-seven worse.
Snapshot with_audit(Snapshot now, const AuditAnswer& answer) {
  now.audit = std::make_shared<AuditAnswer>(answer);
  return now;
}

AuditAnswer fake_audit() {
  AuditAnswer answer;
  answer.running = false;
  Audit& audit = answer.audit;
  audit.plan = "mixed-64";
  audit.plan_fingerprint = plan_fingerprint(fake_plan());
  audit.cases = 16;
  audit.asked = audit.placements = 100;
  audit.scores.push_back({0, 0.75, 0.5});
  for (int i = 1; i <= 100; ++i) audit.scores.push_back({i, 0.25, i <= 3 ? 0.4 : 0.6 + 0.01 * i});
  for (const auto& [name, role, nll] :
       {std::tuple("full", Role::full, 0.02), std::tuple("random", Role::control, 60.0),
        std::tuple("sink+recent", Role::control, 1.8),
        std::tuple("knorm", Role::best_single, 0.7)}) {
    ComparisonRow row;
    row.role = role;
    row.plan.name = name;
    row.score = row_with(name, nll);
    answer.controls.rows.push_back(row);
  }
  return answer;
}

}  // namespace

TEST_CASE("the best cell of a layer is the largest cosine and the smallest NLL increase") {
  const Plan plan = fake_plan();
  const Snapshot now = with_calibration(plan, fake_calibration());
  Ui ui = fake_ui(plan);
  for (const bool nll : {false, true}) {
    ui.tune.measure = nll ? "nll_increase" : "cosine";
    const CalibrationView view = condense_calibration(now, ui);
    REQUIRE(view.rows.size() == kLayers);
    for (int l = 0; l < kLayers; ++l) {
      const int expected = (nll ? l + 1 : l) % 4;
      for (int p = 0; p < 4; ++p) {
        CHECK(view.rows[l][p].best == (p == expected));
        CHECK(view.rows[l][p].in_plan == (plan.of(Phase::prefill)[l].policy == kPolicies[p]));
      }
      CHECK(view.rows[l][expected].shade == Approx(1));
    }
  }
}

TEST_CASE("a cell has the mean and the standard error over the cases, and the phase its columns") {
  const Plan plan = fake_plan();
  const Snapshot now = with_calibration(plan, fake_calibration());
  Ui ui = fake_ui(plan);
  const CalibrationView view = condense_calibration(now, ui);
  // Half of 24 values 0.01 above the mean and half below: s = 0.01 * sqrt(24 / 23).
  CHECK(view.rows[0][0].value.mean == Approx(0.6));
  CHECK(view.rows[0][0].value.error == Approx(0.01 * std::sqrt(24.0 / 23) / std::sqrt(24.0)));
  CHECK(view.rows[0][0].value.n == 24);
  CHECK_FALSE(view.rows[0][1].near);  // 0.1 away
  ui.band.phase = Phase::decode;
  CHECK_FALSE(condense_calibration(now, ui).rows[0][0].best);
}

TEST_CASE("a cell within the error of the best is marked as near, one beyond it is not") {
  Calibration c = fake_calibration();
  for (CaseCalibration& one : c.cases) {
    one.cells[1].cosine = one.cells[0].cosine - 0.001;  // layer 0: snapkv just below the best
    one.cells[2].cosine = one.cells[0].cosine - 0.05;
  }
  const Plan plan = fake_plan();
  const CalibrationView view = condense_calibration(with_calibration(plan, c), fake_ui(plan));
  CHECK(view.rows[0][0].best);
  CHECK(view.rows[0][1].near);
  CHECK_FALSE(view.rows[0][2].near);
}

TEST_CASE("the shade falls with the root of the distance and the bar's numbers say it") {
  Calibration c = fake_calibration();
  for (CaseCalibration& one : c.cases)
    for (int l = 0; l < kLayers; ++l)
      for (int p = 0; p < 4; ++p) one.cells[l * 8 + p].cosine = p == 0 ? 0.9 : p == 1 ? 0.8 : 0.5;
  const Plan plan = fake_plan();
  const CalibrationView view = condense_calibration(with_calibration(plan, c), fake_ui(plan));
  CHECK(view.rows[2][0].shade == Approx(1));
  CHECK(view.rows[2][1].shade == Approx(0.5));  // a quarter of the way down
  CHECK(view.rows[2][2].shade == Approx(0));
  CHECK(view.bar == std::vector<std::string>{".500", ".800", ".900"});
}

TEST_CASE("numbers in cells have three digits at most") {
  CHECK(cell_text(0.9812) == ".981");
  CHECK(cell_text(0.9996) == "1.0");
  CHECK(cell_text(-0.042) == "\u2212.04");
  CHECK(cell_text(4.14) == "4.1");
  CHECK(cell_text(12.3) == "12");
  CHECK(cell_text(-0.0001) == "0");
  CHECK(cell_text(NAN) == "\u2014");
}

TEST_CASE("few cases, a cancelled calibration and another query are said") {
  const Plan plan = fake_plan();
  Ui ui = fake_ui(plan);
  CHECK(condense_calibration(with_calibration(plan, fake_calibration()), ui).warning.empty());
  const auto few = condense_calibration(with_calibration(plan, fake_calibration(12, 12)), ui);
  CHECK(few.stamp.starts_with("n = 12,"));
  CHECK(few.warning.find("few cases") != std::string::npos);
  const auto part = condense_calibration(with_calibration(plan, fake_calibration(30, 22)), ui);
  CHECK(part.warning == "stopped at 22 of 30 cases");
  Plan aware = plan;
  aware.query = QueryVisibility::aware;
  ui.history.apply(aware);
  const auto other = condense_calibration(with_calibration(plan, fake_calibration()), ui);
  CHECK(other.warning.find("aware") != std::string::npos);
}

TEST_CASE("a click on a cell gives its layer that policy, and undo takes it back") {
  TuneStage stage(with_calibration(fake_plan(), fake_calibration()));
  REQUIRE(stage.policy(2) == "h2o");
  const Rect cell = stage.ui.places.at("tune.cell"), table = stage.ui.places.at("tune.table");
  // Row 2, column 3: tova.
  stage.mouse = ImVec2(table.x + table.w * 3.5f / 4, table.y + table.h * 2.5f / 6);
  stage.draw(2), stage.press(), stage.release();
  CHECK(cell.w > 8);
  CHECK(stage.policy(2) == "tova");
  CHECK(stage.ui.selected.layer == 2);
  CHECK(stage.plan().total(Phase::prefill) == fake_plan().total(Phase::prefill));
  CHECK(stage.posted().size() == 1);
  CHECK(stage.ui.tune_model->calibration.rows[2][3].in_plan);
  stage.key(kKeyZ, true);
  CHECK(stage.policy(2) == "h2o");
  CHECK_FALSE(stage.ui.history.can_undo());
}

TEST_CASE("a click on a cell of a locked layer changes nothing and says why") {
  Ui ui = fake_ui(fake_plan());
  ui.band.locked = {false, false, true};
  TuneStage stage(with_calibration(fake_plan(), fake_calibration()), ui);
  const Rect table = stage.ui.places.at("tune.table");
  stage.mouse = ImVec2(table.x + table.w * 3.5f / 4, table.y + table.h * 2.5f / 6);
  stage.draw(2), stage.press(), stage.release();
  CHECK(stage.policy(2) == "h2o");
  CHECK(stage.ui.message.find("locked") != std::string::npos);
}

TEST_CASE("Calibrate asks for the plan's mean budget and query, once") {
  TuneStage stage(fake_snapshot(Fake::full, fake_plan()));
  CHECK(condense_calibration(stage.now, stage.ui).missing.find("16 cases") != std::string::npos);
  stage.click("tune.Calibrate");
  REQUIRE(stage.asked<CalibratePlan>().size() == 1);
  CHECK(stage.asked<CalibratePlan>()[0].budget == 64);
  CHECK(stage.asked<CalibratePlan>()[0].query == QueryVisibility::agnostic);
  stage.click("tune.budget");
  stage.click("tune budget.128 tokens");
  stage.click("tune.Calibrate");
  REQUIRE(stage.asked<CalibratePlan>().size() == 2);
  CHECK(stage.asked<CalibratePlan>()[1].budget == 128);
}

TEST_CASE("while the worker tunes nothing new is started and Cancel cancels") {
  TuneStage stage(with_calibration(fake_plan(), fake_calibration()));
  stage.now.work = {Work::tuning, 0.4, "calibrating case 7 of 16", 5};
  stage.draw(2);
  stage.click("tune.Calibrate");
  CHECK(stage.asked<CalibratePlan>().empty());
  stage.click("tune.Cancel");
  CHECK(stage.asked<CancelWork>().size() == 1);
  stage.click("cancel");  // of the log line
  CHECK(stage.asked<CancelWork>().size() == 2);
}

TEST_CASE("a suggestion is a sentence, is applied by a click and then agrees; undo takes it back") {
  TuneStage stage(with_calibration(fake_plan(), fake_calibration()));
  stage.click("tune.Suggestions");
  const SuggestView before = stage.ui.tune_model->suggestions;
  REQUIRE(before.layers.size() == kLayers);
  CHECK(before.layers[2].sentence ==
        "Layer 2 goes to knorm: cosine 0.600 against 0.500 for streaming_llm, n = 24.");
  CHECK_FALSE(before.layers[2].agrees);
  CHECK(before.layers[1].agrees);  // snapkv
  stage.click("tune.apply.2");
  CHECK(stage.policy(2) == "knorm");
  CHECK(stage.ui.tune_model->suggestions.layers[2].agrees);
  CHECK(stage.ui.tune_model->suggestions.open == before.open - 1);
  stage.key(kKeyZ, true);
  CHECK(stage.policy(2) == "h2o");
}

TEST_CASE("a suggestion says when the plan's own policy is as good within error") {
  Calibration c = fake_calibration();
  for (CaseCalibration& one : c.cases)
    one.cells[4 * 8 + 2].cosine = one.cells[4 * 8].cosine - 0.001;
  const Plan plan = fake_plan();
  const SuggestView view = condense_suggestions(with_calibration(plan, c), fake_ui(plan));
  REQUIRE(plan.of(Phase::prefill)[4].policy == "knorm");
  CHECK(view.layers[4].near);
  CHECK(view.layers[4].sentence.ends_with("n = 24. knorm is as good within error."));
  CHECK_FALSE(view.layers[0].near);  // snapkv, 0.1 below
}

TEST_CASE("Apply all is one undo step and leaves locked layers alone") {
  Ui ui = fake_ui(fake_plan());
  ui.band.locked = {false, false, true};
  TuneStage stage(with_calibration(fake_plan(), fake_calibration()), ui);
  stage.click("tune.Suggestions");
  stage.click("tune.Apply all");
  for (int l = 0; l < kLayers; ++l)
    CHECK(stage.policy(l) == (l == 2 ? std::string("h2o") : kPolicies[l % 4]));
  CHECK(stage.plan().total(Phase::prefill) == fake_plan().total(Phase::prefill));
  stage.key(kKeyZ, true);
  CHECK(stage.plan() == fake_plan());
}

TEST_CASE("the suggestions of the NLL are other ones than those of the cosine") {
  TuneStage stage(with_calibration(fake_plan(), fake_calibration()));
  stage.click("tune.Suggestions");
  stage.click("tune.by NLL");
  CHECK(stage.ui.tune_model->suggestions.layers[2].policy == "tova");
  stage.click("tune.by cosine");
  CHECK(stage.ui.tune_model->suggestions.layers[2].policy == "knorm");
}

TEST_CASE("T brings the panel and its next part, A applies to the selected layer, Shift A to all") {
  Stage stage(with_calibration(fake_plan(), fake_calibration()), fake_ui(fake_plan()));
  stage.key(kKeyA);
  CHECK(stage.plan() == fake_plan());  // not while the panel is hidden
  stage.key(kKeyT);
  CHECK(stage.ui.lower_tab == 2);
  CHECK(stage.ui.tune.part == TunePart::calibration);
  stage.key(kKeyT);
  CHECK(stage.ui.tune.part == TunePart::suggestions);
  stage.ui.selected.layer = 2;
  stage.key(kKeyA);
  CHECK(stage.plan().of(Phase::prefill)[2].policy == "knorm");
  CHECK(stage.plan().of(Phase::prefill)[4] == fake_plan().of(Phase::prefill)[4]);
  stage.key(kKeyA, false, true);
  CHECK(stage.plan().of(Phase::prefill)[4].policy == "streaming_llm");
}

TEST_CASE("the signal's axis spans its standard errors, and its points are the means") {
  const Plan plan = fake_plan();
  const CalibrationView view =
      condense_calibration(with_calibration(plan, fake_calibration()), fake_ui(plan));
  REQUIRE(view.signal.size() == kLayers);
  const double error = 0.5 * std::sqrt(24.0 / 23) / std::sqrt(24.0);
  for (int l = 0; l < kLayers; ++l) {
    CHECK(view.signal[l].value.mean == Approx(1.0 + l));
    CHECK(view.signal[l].at == Approx((1.0 + l) / (6 + error)));
  }
  CHECK(view.signal[5].high == Approx(1));
  CHECK(view.signal[5].low == Approx((6 - error) / (6 + error)));
}

TEST_CASE("Fill budgets shares by the signal that is shown, without asking the worker") {
  TuneStage stage(with_calibration(fake_plan(), fake_calibration()));
  stage.click("tune.signal");
  stage.click("tune signal.recent mass");
  CHECK(stage.ui.tune.signal == "recent_mass");
  stage.click("tune.fill");
  stage.click("tune fill.proportional");
  CHECK(stage.asked<MeasureSignal>().empty());
  CHECK(stage.plan().total(Phase::prefill) == fake_plan().total(Phase::prefill));
  for (int l = 0; l < 5; ++l) {
    CHECK(stage.budget(5) > 4 * stage.budget(l));  // 0.9 against 0.1
    CHECK(std::abs(stage.budget(l) - stage.budget(0)) <= 1);
  }
  CHECK(stage.ui.message == "Filled by proportional, recent_mass of 24 cases.");
}

TEST_CASE("a search starts from the plan in hand, with the window's locks and limit") {
  Ui ui = fake_ui(fake_plan());
  ui.band.locked = {false, true};
  TuneStage stage(fake_snapshot(Fake::full, fake_plan()), ui);
  stage.click("tune.Search");
  stage.click("tune.limit");
  stage.click("tune limit.15 s");
  stage.click("tune.recall");
  stage.click("tune.swaps");
  stage.click("tune.Start search");
  REQUIRE(stage.asked<SearchPlan>().size() == 1);
  const SearchPlan asked = stage.asked<SearchPlan>()[0];
  CHECK(asked.start == fake_plan());
  CHECK(asked.settings.locked == std::vector<bool>{false, true});
  CHECK(asked.settings.evaluations == 0);
  CHECK(asked.settings.seconds == 15);
  CHECK(asked.settings.objective == "recall");
  CHECK_FALSE(asked.swaps);
}

TEST_CASE("a search that cannot start says why") {
  Plan full = uniform_plan("full", std::nullopt, kLayers, QueryVisibility::agnostic);
  CHECK(condense_search(fake_snapshot(Fake::full, fake_plan()), fake_ui(full))
            .missing.find("no unlocked layer has a budget") != std::string::npos);
  FakeShape one;
  one.cases = 1;
  CHECK(condense_search(fake_snapshot(Fake::full, fake_plan(), one), fake_ui(fake_plan()))
            .missing.find("two cases") != std::string::npos);
  CHECK(condense_search(fake_snapshot(Fake::full, fake_plan()), fake_ui(fake_plan()))
            .missing.empty());
}

TEST_CASE(
    "the search's plot holds start, steps and the full cache; far controls lie off its axis") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.search = std::make_shared<SearchAnswer>(fake_search());
  now.work = {Work::tuning, 0.2, "searching", 5};
  const SearchView view = condense_search(now, fake_ui(fake_plan()));
  CHECK(view.running);
  CHECK(view.axis == "answer NLL, nats, search half, n = 8");
  CHECK(view.headline == "0.900 to 0.500 in 40 plans");
  REQUIRE(view.steps.size() == 3);
  for (const SearchStepLine& step : view.steps) CHECK((step.at > 0 && step.at < 1));
  CHECK(view.steps[0].at > view.steps[1].at);  // less is lower
  REQUIRE(view.marks.size() == 4);
  for (const AxisMark& mark : view.marks)
    CHECK(mark.off == (mark.name == "random" || mark.name == "sink+recent" ? 1 : 0));
}

TEST_CASE("a step far below the others keeps its first digit") {
  SearchAnswer answer = fake_search();
  answer.result.steps.back().score = row_with("x", 0.0003);
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.search = std::make_shared<SearchAnswer>(answer);
  CHECK(condense_search(now, fake_ui(fake_plan())).headline == "0.90 to 0.0003 in 40 plans");
}

TEST_CASE("the Pareto plot leaves plans of the search half out and says where they are") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  Ui ui = fake_ui(fake_plan());
  const ParetoModel before = condense_pareto(now, ui);
  now.search = std::make_shared<SearchAnswer>(fake_search());
  now.work = {Work::tuning, 0.2, "searching", 5};
  const ParetoModel during = condense_pareto(now, ui);
  CHECK(during.points.size() == before.points.size());
  CHECK(during.stamp.find("half") != std::string::npos);
  CHECK(before.stamp == "recall against KV bytes");
}

TEST_CASE("the best plan of a cancelled search can be applied, as one undo step") {
  SearchAnswer answer = fake_search();
  answer.running = false;
  answer.result.cancelled = true;
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.search = std::make_shared<SearchAnswer>(answer);
  TuneStage stage(now);
  stage.click("tune.Search");
  CHECK(stage.ui.tune_model->search.note.find("cancelled") == 0);
  stage.click("tune.Apply best");
  CHECK(stage.budget(0) == 9);
  CHECK(stage.budget(1) == 135);
  CHECK_FALSE(stage.ui.tune_model->search.can_apply);
  stage.key(kKeyZ, true);
  CHECK(stage.plan() == fake_plan());
}

TEST_CASE("the report's rows have their intervals and say when there is no gap") {
  SearchAnswer answer = fake_search();
  answer.running = false;
  Comparison report;
  for (const auto& [name, role] :
       {std::pair("full", Role::full), std::pair("knorm", Role::best_single),
        std::pair("best found", Role::plan)}) {
    ComparisonRow row;
    row.role = role;
    row.plan.name = name;
    row.score = row_with(name, 0.5);
    row.gap_by_nll = {0.25, 0.1, 0.4, 8};
    report.rows.push_back(row);
  }
  answer.report = report;
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.search = std::make_shared<SearchAnswer>(answer);
  SearchView view = condense_search(now, fake_ui(fake_plan()));
  REQUIRE(view.report.size() == 3);
  CHECK(view.report[1].name == "best single: knorm");
  CHECK(view.report[2].recall == "4/8 [0.20, 0.80]");
  CHECK(view.report[2].gap.starts_with("0.2"));
  CHECK(view.report[0].gap == "\u2014");
  CHECK(view.report_stamp == "report half, n = 8");
  CHECK(view.warning == "few cases");
  for (ComparisonRow& row : answer.report->rows) row.gap_by_nll = {};
  now.search = std::make_shared<SearchAnswer>(answer);
  CHECK(condense_search(now, fake_ui(fake_plan())).report_note.starts_with("no gap"));
}

TEST_CASE("the audit's histogram counts every placement, and its rank is in words") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.audit = std::make_shared<AuditAnswer>(fake_audit());
  const AuditView view = condense_audit(now, fake_ui(fake_plan()));
  int sum = 0;
  for (const int count : view.bins) sum += count;
  CHECK(sum == 100);
  CHECK(view.bins[0] == 3);
  CHECK(view.headline == "Rank 4 of 101");
  CHECK(view.words.find("p = 0.040: 4 of 101") == 0);
  REQUIRE(view.marks.size() == 5);
  CHECK(view.marks[0].kind == AxisMark::Kind::plan);
  // The plan's mark stands where its value lies between the ends of the bars.
  const double low = 0.4, high = 1.6, share = (0.5 - low) / (high - low);
  CHECK(view.marks[0].at == Approx(view.bins_low + share * (view.bins_high - view.bins_low)));
  for (const AxisMark& mark : view.marks) CHECK(mark.off == (mark.name == "random" ? 1 : 0));
  CHECK(view.stamp.find("not the plan in hand") == std::string::npos);
}

TEST_CASE("a calibration's routes are marked beside the audited plan, which is marked once") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  AuditAnswer answer = fake_audit();
  for (const char* name : {"mixed-64", "route-cosine", "inverse-route-cosine"}) {
    ComparisonRow row;
    row.plan.name = name;
    row.score.answer_nll = mean_with_t({0.5, 0.6});
    answer.controls.rows.push_back(row);
  }
  const std::size_t before =
      condense_audit(with_audit(now, fake_audit()), fake_ui(fake_plan())).marks.size();
  const AuditView view = condense_audit(with_audit(now, answer), fake_ui(fake_plan()));
  REQUIRE(view.marks.size() == before + 2);
  CHECK(view.marks[before].name == "route-cosine");
  CHECK(view.marks[before + 1].name == "inverse-route-cosine");
}

TEST_CASE("an audit of another plan says so, one of a single policy cannot start") {
  Snapshot now = fake_snapshot(Fake::full, fake_plan());
  now.audit = std::make_shared<AuditAnswer>(fake_audit());
  const Plan other = uniform_plan("snapkv", 64, kLayers, QueryVisibility::agnostic);
  const AuditView view = condense_audit(now, fake_ui(other));
  CHECK(view.stamp.find("not the plan in hand") != std::string::npos);
  CHECK(view.missing.find("one policy in all its layers") != std::string::npos);
}

TEST_CASE("Audit this plan asks for as many placements as chosen") {
  TuneStage stage(fake_snapshot(Fake::full, fake_plan()));
  stage.click("tune.Audit");
  stage.click("tune.placements");
  stage.click("tune placements.500 placements");
  stage.click("tune.Audit this plan");
  REQUIRE(stage.asked<AuditPlan>().size() == 1);
  CHECK(stage.asked<AuditPlan>()[0].permutations == 500);
  CHECK(stage.asked<AuditPlan>()[0].plan == fake_plan());
}

TEST_CASE("the Tune menu does what the panel does") {
  Stage stage(with_calibration(fake_plan(), fake_calibration()), fake_ui(fake_plan()));
  stage.click("menu Tune");
  stage.click("menu Tune.Route from calibration");
  CHECK(stage.plan().of(Phase::prefill)[2].policy == "knorm");
  CHECK(stage.ui.lower_tab == 2);
  stage.click("menu Tune");
  stage.click("menu Tune.Search from here");
  CHECK(stage.ui.tune.part == TunePart::search);
  CHECK(std::holds_alternative<SearchPlan>(stage.out.back()));
}

TEST_CASE("the tune model is made once per change, not per frame") {
  TuneStage stage(with_calibration(fake_plan(), fake_calibration()));
  const auto before = stage.ui.tune_model;
  stage.draw(5);
  CHECK(stage.ui.tune_model == before);
  stage.ui.tune.measure = "nll_increase";
  stage.draw(1);
  CHECK(stage.ui.tune_model != before);
}

TEST_CASE("every part is drawn inside the panel at both sizes, with 80 layers too") {
  for (const int layers : {6, 80}) {
    const Plan plan = fake_plan(layers);
    const FakeShape shape{.layers = layers, .heads = 8, .kv_heads = 2, .context = 100, .cases = 4};
    Snapshot now = fake_snapshot(Fake::full, plan, shape);
    Calibration c = fake_calibration();
    c.layers = layers;
    for (CaseCalibration& one : c.cases) {
      one.cells.resize(static_cast<std::size_t>(layers) * 8);
      for (auto& signal : one.signals) signal.resize(static_cast<std::size_t>(layers), 0.5);
    }
    now.calibration = std::make_shared<Calibration>(c);
    if (layers == kLayers) {
      now.search = std::make_shared<SearchAnswer>(fake_search());
      now.audit = std::make_shared<AuditAnswer>(fake_audit());
    }
    for (const ImVec2 size : {ImVec2(1280, 720), ImVec2(1600, 1000)}) {
      TuneStage stage(now, fake_ui(plan), size.x, size.y);
      stage.ui.selected.layer = layers - 1;
      for (const char* part :
           {"tune.Calibration", "tune.Suggestions", "tune.Search", "tune.Audit"}) {
        stage.click(part);
        const Rect panel = stage.ui.places.at("tune_panel");
        for (const auto& [name, place] : stage.ui.places) {
          if (!name.starts_with("tune.")) continue;
          INFO(name << " at " << size.x << ", " << layers << " layers");
          CHECK(place.x >= panel.x);
          CHECK(place.x + place.w <= panel.x + panel.w + 1);
          CHECK(place.y >= panel.y);
          CHECK(place.y + place.h <= panel.y + panel.h + 1);
        }
      }
    }
  }
}

}  // namespace polykv
