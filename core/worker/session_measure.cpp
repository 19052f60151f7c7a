// What a Session measures of the current cases: heads, masks, signals, calibrations, searches and
// audits.
#include <algorithm>

#include "core/error.h"
#include "core/plan/control.h"
#include "core/probe/heads.h"
#include "core/signals/layer_signals.h"
#include "core/text.h"
#include "core/tune/calibrate.h"
#include "core/tune/route.h"
#include "core/worker/session_state.h"

namespace polykv {
namespace {

constexpr int kMaskDraws = 20;  // random masks beside the chosen one
constexpr std::uint64_t kMaskSeed = 1;
constexpr std::uint64_t kTuneSeed = 1;  // of the halves and of the placements
constexpr int kFewReportCases = 30;

}  // namespace

void Session::find_heads(const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("heads");
  HeadSettings settings;
  settings.source = s.now.cases->name;
  s.work(Work::measuring, 0, "finding heads");
  HeadList list = polykv::find_heads(*s.model, s.scorer->cases(), settings,
                                     s.progress(Work::measuring), cancel);
  s.add_log("Retrieval heads found on " + std::to_string(list.n) + " right answers, " +
                std::to_string(list.rejected) + " wrong ones left out.",
            LogLine::Kind::info);
  s.use_heads(std::move(list));
  s.rescore_wanted(cancel);
}

void Session::mask_heads(const MaskHeads& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("mask");
  auto answer = std::make_shared<MaskAnswer>();
  answer->request = command.request;
  answer->heads = command.heads;
  answer->cases = static_cast<int>(s.scorer->cases().size());
  answer->cases_chose = s.cases_chose_heads;
  s.work(Work::measuring, 0, "masking heads");
  answer->effect = mask_effect(*s.model, s.scorer->cases(), {command.heads}, kMaskSeed, kMaskDraws,
                               s.progress(Work::measuring), cancel);
  s.now.mask = std::move(answer);
  s.show();
}

void Session::measure_signal(const MeasureSignal& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("signal");
  auto answer = std::make_shared<SignalAnswer>();
  answer->request = command.request;
  answer->source = command.source;
  answer->query = command.query;
  answer->cases = static_cast<int>(s.scorer->cases().size());
  SignalSettings settings;
  settings.query = command.query;
  const Progress report = s.progress(Work::measuring);
  s.work(Work::measuring, 0, "measuring " + command.source);
  answer->signal =
      polykv::measure_signal(*s.model, s.scorer->cases(), command.source, settings, report, cancel);
  s.now.signal = std::move(answer);
  s.show();
}

void Session::calibrate(const CalibratePlan& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("calibration");
  CalibrationSettings settings;
  settings.query = command.query;
  settings.budget = command.budget;
  settings.policies = command.policies;
  const std::vector<Case>& cases = s.scorer->cases();
  Calibration made = plan_calibration(*s.model, cases, std::move(settings));
  // Goes on where the same calibration was cancelled.
  if (s.now.calibration && calibration_difference(*s.now.calibration, made).empty() &&
      !s.now.calibration->complete()) {
    made = *s.now.calibration;
  }
  s.work(Work::tuning, 0, "calibrating");
  const CalibrationCost cost = polykv::calibrate(
      *s.model, cases, made, s.progress(Work::tuning), cancel, [&](const Calibration& so_far) {
        s.now.calibration = std::make_shared<Calibration>(so_far);
        s.show();
      });
  if (cost.cases == 0) return;
  s.add_log("Calibrated " + std::to_string(made.columns.size()) + " columns on " +
                std::to_string(made.n()) + " cases in " + seconds_text(cost.seconds) + ": " +
                percent_text(cost.share()) + " of evaluating each in full.",
            LogLine::Kind::info);
}

void Session::search(const SearchPlan& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("search");
  const CaseHalves halves = split_cases(s.scorer->cases(), kTuneSeed);
  SearchAnswer answer;
  answer.request = command.request;
  answer.objective = command.settings.objective;
  answer.search_cases = static_cast<int>(halves.search.size());
  answer.report_cases = static_cast<int>(halves.report.size());
  const auto show = [&] {
    s.now.search = std::make_shared<SearchAnswer>(answer);
    s.show();
  };
  s.work(Work::tuning, 0, "preparing the search half");
  LiveScorer scorer(s.model);
  scorer.set_cases(halves.search, s.progress(Work::tuning), cancel);
  answer.controls = {scorer.full_row()};
  for (const auto& [policy, name] :
       {std::pair("random", "random"), std::pair("streaming_llm", "sink+recent")}) {
    answer.controls.push_back(
        scorer.score_aside(control_plan(command.start, policy, name), cancel));
    answer.controls.back().plan = name;
  }
  SearchSettings limits = command.settings;
  if (command.swaps && limits.policies.empty()) limits.policies = usual_policies(*s.model);
  answer.result = search_plan(
      scorer, {command.start}, limits,
      [&](const SearchResult& so_far, const SearchStep* step) {
        const double by_count =
            limits.evaluations > 0 ? double(so_far.evaluations) / limits.evaluations : 0;
        const double by_time = limits.seconds > 0 ? so_far.seconds / limits.seconds : 0;
        const double share = std::min(1.0, std::max(by_count, by_time));
        s.now.work = {Work::tuning, share, "searching, plan " + std::to_string(so_far.evaluations),
                      share > 0.02 ? so_far.seconds * (1 - share) / share : -1};
        answer.result.evaluations = so_far.evaluations;
        answer.result.seconds = so_far.seconds;
        answer.result.restarts = so_far.restarts;
        if (step) answer.result.steps = so_far.steps;
        show();
      },
      cancel);
  answer.running = false;
  show();
  if (answer.result.cancelled) {  // the best so far is shown; the report is left out
    s.add_log("Search cancelled; the best plan so far is kept.", LogLine::Kind::info);
    throw Cancelled{};
  }
  s.work(Work::tuning, 0, "preparing the other half");
  LiveScorer other(s.model);
  other.set_cases(halves.report, s.progress(Work::tuning), cancel);
  CompareSettings compare;
  compare.singles = usual_policies(*s.model);
  Plan best = answer.result.best().plan;
  best.name = "best found";
  Plan start = command.start;
  start.name = "start";
  answer.report = compare_plans(other, {start, best}, compare, s.progress(Work::tuning), cancel);
  show();
  if (answer.report_cases < kFewReportCases) {
    s.add_log("Few cases: the report rests on " + std::to_string(answer.report_cases) +
                  ". Open a larger case set to tell plans apart.",
              LogLine::Kind::info);
  }
}

void Session::audit(const AuditPlan& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("audit");
  AuditAnswer answer;
  answer.request = command.request;
  answer.audit =
      plan_audit(*s.model, s.scorer->cases(), command.plan, command.permutations, kTuneSeed);
  // A scorer of its own: the window's plan keeps its incremental state.
  LiveScorer scorer(s.model);
  scorer.set_cases(s.scorer->cases(), s.progress(Work::tuning), cancel);
  const auto show = [&] {
    s.now.audit = std::make_shared<AuditAnswer>(answer);
    s.show();
  };
  CompareSettings compare;
  compare.singles = usual_policies(*s.model);
  std::vector<Plan> plans = {command.plan};
  if (s.now.calibration && s.now.calibration->complete() &&
      s.now.calibration->settings.query == command.plan.query) {
    for (const bool inverse : {false, true}) {
      plans.push_back(route_like(*s.now.calibration, command.plan, inverse));
    }
  }
  const double controls = double(3 + compare.singles.size() + plans.size());  // plans scored
  const double first = controls / (controls + answer.audit.placements + 1);
  const Progress report = s.progress(Work::tuning);
  const auto part = [&](double from, double to) {
    return [&report, from, to](double share, const std::string& what) {
      report(from + (to - from) * share, what);
    };
  };
  try {
    answer.controls = compare_plans(scorer, plans, compare, part(0, first), cancel);
    run_audit(scorer, command.plan, answer.audit, part(first, 1), cancel,
              [&](const Audit&) { show(); });
  } catch (const Cancelled&) {
    answer.running = false;
    if (!answer.audit.scores.empty()) show();
    throw;
  }
  answer.running = false;
  show();
}

}  // namespace polykv
