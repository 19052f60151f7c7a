// `tune`: search from a plan, on one half of the cases; report on the other.
#include "app/commands/tune.h"

#include <algorithm>
#include <iostream>

#include "app/commands/interrupt.h"
#include "app/commands/tuning.h"
#include "core/error.h"
#include "core/plan/edit.h"
#include "core/text.h"
#include "core/tune/calibrate.h"
#include "core/tune/route.h"
#include "core/tune/search.h"

namespace polykv {
namespace {

// The context of the longest case: no layer holds more.
int longest_context(const std::vector<Case>& cases) {
  std::size_t longest = 0;
  for (const Case& each : cases) longest = std::max(longest, each.context.size());
  return static_cast<int>(longest);
}

std::vector<Plan> read_starts(const Options& given, const Model& model, int cap) {
  std::vector<Plan> starts;
  for (const std::string& argument : given.all("--plan")) {
    starts.push_back(read_plan_option(argument, query_option(given), given, model));
  }
  if (given.has("--total")) {
    EditRules rules;
    rules.cap = cap;
    rules.locked = locks_option(given, model.shape().layers);
    const int total = given.integer("--total", 0, 1, 2'000'000'000);
    for (Plan& start : starts) {
      start = with_total(start, total, rules);
      if (start.total(Phase::prefill) != total) {
        throw Error(ErrorKind::usage, "--total: " + start.name + " cannot hold " +
                                          std::to_string(total) + " tokens, it comes to " +
                                          std::to_string(start.total(Phase::prefill)));
      }
    }
  }
  if (given.has("--calibration")) {
    const Calibration calibration = read_calibration_of(given.text("--calibration"), model);
    starts.push_back(route_like(calibration, starts[0], /*inverse=*/false));
  }
  return starts;
}

Json step_json(const SearchStep& step) {
  Json json = score_json(step.score);
  json.erase("plan");
  json["evaluation"] = step.evaluation;
  json["seconds"] = step.seconds;
  json["edit"] = step.edit;
  return json;
}

void print_step(const SearchStep& step) {
  std::cout << "plan " << step.evaluation << "  answer nll "
            << fixed(step.score.answer_nll.value, 4) << "  recall "
            << fixed(step.score.recall.value, 3) << "  " << step.edit << "\n"
            << std::flush;
}

CaseHalves read_halves(const Options& given, const Model& model) {
  const std::vector<Case> cases =
      read_case_set(given, model, given.integer("--count", 64, 2, 100000));
  if (!given.has("--report-cases")) return split_cases(cases, given.seed(0));
  return {cases, read_cases(given.text("--report-cases"), model.tokenizer())};
}

SearchSettings read_settings(const Options& given, const Model& model) {
  SearchSettings settings;
  settings.evaluations = given.integer("--evaluations", 0, 1, 100'000'000);
  settings.seconds = given.number("--seconds", 0, 0.001, 1e7);
  settings.seed = given.seed(0);
  settings.objective = find_objective(given.text("--objective", "nll")).id;
  settings.locked = locks_option(given, model.shape().layers);
  settings.policies = policies_option(given);
  if (settings.policies.empty()) settings.policies = usual_policies(model);
  if (given.has("--budgets-only")) settings.policies.clear();
  return settings;
}

// Steps go out as they come, unless one JSON object is wanted at the end.
SearchWatch watch_of(const SearchSettings& settings, bool live, ProgressLine& progress) {
  return [&settings, live, &progress](const SearchResult& so_far, const SearchStep* step) {
    if (step && live) {
      progress.clear();
      print_step(*step);
    }
    const double share = settings.evaluations > 0
                             ? double(so_far.evaluations) / settings.evaluations
                             : so_far.seconds / settings.seconds;
    progress.show(std::min(1.0, share), std::to_string(so_far.evaluations) + " plans scored");
  };
}

// What was found, on cases that the search has not seen.
Comparison report_on(const std::shared_ptr<const Model>& model, const std::vector<Case>& cases,
                     const Plan& start, const Plan& best, ProgressLine& progress,
                     const CancelFlag* cancel) {
  LiveScorer scorer(model);
  scorer.set_cases(cases, progress.callback(), cancel);
  CompareSettings compare;
  compare.singles = usual_policies(*model);
  std::vector<Plan> plans = {start};
  if (best.name != start.name) plans.push_back(best);
  return compare_plans(scorer, plans, compare, progress.callback(), cancel);
}

void print_result(const SearchResult& result, const CaseHalves& halves, const Comparison& report,
                  const Options& given, QueryVisibility query) {
  std::cout << result.evaluations << " plans in " << seconds_text(result.seconds) << ", "
            << result.restarts << " restarts, " << halves.search.size() << " search cases"
            << (result.cancelled ? "; cancelled, this is the best so far" : "") << "\n";
  if (!report.rows.empty()) {
    std::cout << "\nheld out: " << halves.report.size() << " other cases, query "
              << to_string(query) << "\n";
    comparison_table(report).print(std::cout);
    if (!cannot_tell(report).empty()) std::cout << cannot_tell(report) << "\n";
  }
  if (given.has("--out")) std::cout << "written to " << given.text("--out") << "\n";
}

Json result_json(const SearchResult& result, const CaseHalves& halves, const Comparison& report,
                 const std::string& objective, Json plan) {
  Json steps = Json::array();
  for (const SearchStep& step : result.steps) steps.push_back(step_json(step));
  Json json = {{"steps", steps},
               {"start", score_json(result.start().score)},
               {"end", score_json(result.best().score)},
               {"objective", objective},
               {"search_cases", halves.search.size()},
               {"evaluations", result.evaluations},
               {"restarts", result.restarts},
               {"seconds", result.seconds},
               {"cancelled", result.cancelled},
               {"plan", std::move(plan)}};
  if (report.rows.empty()) return json;
  json["held_out"] = {{"cases", halves.report.size()}, {"rows", comparison_json(report)}};
  json["cannot_tell"] = !cannot_tell(report).empty();
  json["gap_recovered"] = json["held_out"]["rows"].back()["gap_recovered"];
  return json;
}

int run(const Options& given) {
  ProgressLine progress;
  const Interrupt interrupt;
  if (given.has("--table")) return run_tune_table(given, open_model(given, progress), progress);
  given.require("--plan");
  if (!given.has("--evaluations") && !given.has("--seconds")) {
    throw Error(ErrorKind::usage, "--evaluations or --seconds is missing");
  }
  find_objective(given.text("--objective", "nll"));  // before the model is opened
  const auto model = open_model(given, progress);
  SearchSettings settings = read_settings(given, *model);
  const CaseHalves halves = read_halves(given, *model);
  settings.cap = longest_context(halves.search);
  const std::vector<Plan> starts = read_starts(given, *model, settings.cap);

  LiveScorer scorer(model);
  scorer.set_cases(halves.search, progress.callback(), interrupt.flag());
  const bool live = !given.has("--json");
  SearchResult result =
      search_plan(scorer, starts, settings, watch_of(settings, live, progress), interrupt.flag());
  Plan best = result.best().plan;
  best.name = result.steps.size() > 1 ? "tuned" : result.start().plan.name;
  const PlanTarget target = target_of(*model);
  if (given.has("--out")) write_plan(given.text("--out"), best, target);
  Comparison report;
  try {
    if (!result.cancelled) {
      report =
          report_on(model, halves.report, result.start().plan, best, progress, interrupt.flag());
    }
  } catch (const Cancelled&) {
    result.cancelled = true;
  }
  progress.clear();
  if (live) {
    print_result(result, halves, report, given, best.query);
  } else {
    print_json(result_json(result, halves, report, settings.objective, plan_object(best, target)));
  }
  return 0;
}

constexpr Option kOptions[] = {
    {"--plan", "P", "where to start; of several the best one counts"},
    {"--total", "N", "scale the starts to this sum of prefill budgets first"},
    {"--evaluations", "K", "most plans to score, the starts included"},
    {"--seconds", "S", "most time to search; the result then depends on the machine"},
    {"--objective", "WORD", "nll (default), kl or recall, on the search half"},
    kPoliciesOption,
    {"--budgets-only", "", "move budgets, swap no policy"},
    {"--lock", "LIST", "layers that stay as they are, e.g. 0,5"},
    {"--calibration", "FILE", "its route is one more start"},
    kCasesOption,
    {"--report-cases", "FILE", "report on these; without it on half of the cases"},
    {"--count", "N", "needle cases to make (default 64; --table: cases to report on, 200)"},
    {"--query", "agnostic|aware", "whether the cut sees the question (--table: both too)"},
    kHeadsOption,
    kSignalOption,
    {"--out", "FILE", "write the best plan"},
    {"--table", "FILE", "routes, searches and audits at --budgets instead, as Markdown"},
    {"--budgets", "N,N", "tokens per layer and kv head for --table (default 32,64,128)"},
};

}  // namespace

const Word kTuneWord = {
    "tune",
    "Search from a plan: budget moves between layers, policy swaps, restarts.",
    "",
    kOptions,
    run,
    "Half of the cases choose, the other half reports, beside the full cache, random, sink+recent\n"
    "and the best single policy at the same total. The same seed and --evaluations give the same\n"
    "plan. Ctrl+C ends the search with the best plan so far."};

}  // namespace polykv
