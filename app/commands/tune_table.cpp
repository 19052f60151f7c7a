// Routes, searches and audits at several budgets, held against single policies on fresh cases.
#include <algorithm>
#include <iostream>
#include <optional>

#include "app/commands/interrupt.h"
#include "app/commands/tune.h"
#include "app/commands/tuning.h"
#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/probe/needle.h"
#include "core/text.h"
#include "core/tune/audit.h"
#include "core/tune/calibrate.h"
#include "core/tune/route.h"
#include "core/tune/search.h"

namespace polykv {
namespace {

constexpr int kCalibrationCases = 64, kSearchCases = 100;
constexpr int kPermutations = 100, kEvaluations = 300;

struct Sets {
  std::vector<Case> calibration, search, report;
};

// Three sets with seeds of their own, so that no case is in two.
Sets make_sets(const Options& given, const Model& model) {
  if (given.has("--cases")) {
    throw Error(ErrorKind::usage, "--table makes its own three case sets; leave out --cases");
  }
  const int report = given.integer("--count", 200, 2, 100000);
  NeedleSettings like;
  like.context_tokens = std::min(like.context_tokens, model.shape().max_tokens - 64);
  like.seed = given.seed(7001);
  Sets sets;
  const auto take = [&](int count) {
    std::vector<Case> cases = make_needle_cases(count, like, model.tokenizer());
    like.seed += static_cast<std::uint64_t>(count);
    return cases;
  };
  sets.calibration = take(kCalibrationCases);
  sets.search = take(kSearchCases);
  sets.report = take(report);
  return sets;
}

struct Block {  // one visibility and budget
  QueryVisibility query = QueryVisibility::agnostic;
  int budget = 0;
  CalibrationCost cost;
  SearchResult search;
  Comparison report;
  struct Audited {
    Plan plan;
    std::optional<Audit> audit;  // none: one policy in every layer, nothing to place otherwise
  };
  std::vector<Audited> audits;  // of the routes
  Plan tuned;
};

std::optional<Audit> audit_route(const Model& model, const Sets& sets, LiveScorer& report,
                                 const Plan& plan, ProgressLine& progress,
                                 const CancelFlag* cancel) {
  const auto& choices = plan.of(Phase::prefill);
  const bool one_policy =
      std::all_of(choices.begin(), choices.end(),
                  [&](const LayerChoice& choice) { return choice.policy == choices[0].policy; });
  if (one_policy) return std::nullopt;
  Audit audit = plan_audit(model, sets.report, plan, kPermutations, 1);
  run_audit(report, plan, audit, progress.callback(), cancel);
  return audit;
}

// CompressKV with its own budgets: shared by the eviction error that the calibration measured.
Plan compresskv_plan(const Calibration& calibration, int total) {
  Plan plan = uniform_plan("compresskv", total / calibration.layers, calibration.layers,
                           calibration.settings.query);
  plan.name = "compresskv+error";
  Limits limits;
  limits.floor = 8;
  const std::vector<int> budgets = find_allocator("error").share(
      total, calibration_signal(calibration, "output_error"), limits, {{"floor", 8.0}});
  for (int l = 0; l < plan.layers(); ++l) plan.of(Phase::prefill)[l].budget = budgets[l];
  return plan;
}

Plan route_plan(const Calibration& calibration, int total, const char* name, const char* measure,
                bool inverse, const char* allocator, const char* signal) {
  RouteSettings settings;
  settings.measure = measure;
  settings.inverse = inverse;
  settings.total = total;
  settings.allocator = allocator;
  settings.signal = signal;
  settings.floor = 8;
  Plan plan = make_route(calibration, settings).plan;
  plan.name = name;
  return plan;
}

Block run_block(const Options& given, const std::shared_ptr<const Model>& model, const Sets& sets,
                QueryVisibility query, int budget, LiveScorer& search, LiveScorer& report,
                ProgressLine& progress, const CancelFlag* cancel) {
  Block block;
  block.query = query;
  block.budget = budget;
  const int layers = model->shape().layers, total = budget * layers;
  CalibrationSettings settings;
  settings.query = query;
  settings.budget = budget;
  settings.phases = {Phase::prefill};
  Calibration calibration = plan_calibration(*model, sets.calibration, settings);
  block.cost = calibrate(*model, sets.calibration, calibration, progress.callback(), cancel);

  const auto route = [&](const char* name, const char* measure, bool inverse, const char* allocator,
                         const char* signal) {
    return route_plan(calibration, total, name, measure, inverse, allocator, signal);
  };
  const Plan by_cosine = route("route by cosine", "cosine", false, "uniform", "entropy");
  const Plan by_nll = route("route by NLL", "nll", false, "uniform", "entropy");
  const Plan by_entropy =
      route("route by cosine + entropy", "cosine", false, "proportional", "entropy");
  const Plan by_worst =
      route("route by NLL + worst NLL", "nll", false, "proportional", "worst_nll");
  const Plan inverse = route("inverse route by cosine", "cosine", true, "uniform", "entropy");
  const Plan inverse_nll = route("inverse route by NLL", "nll", true, "uniform", "entropy");
  const Plan compresskv = compresskv_plan(calibration, total);

  std::vector<Plan> starts = {by_cosine, by_nll, by_entropy, by_worst, compresskv};
  for (const std::string& id : usual_policies(*model)) {
    starts.push_back(uniform_plan(id, budget, layers, query));
    starts.back().name = id;
  }
  SearchSettings limits;
  limits.evaluations = given.integer("--evaluations", kEvaluations, 1, 1'000'000);
  limits.objective = find_objective(given.text("--objective", "nll")).id;
  limits.policies = usual_policies(*model);
  limits.floor = 8;
  limits.cap = 900;
  const std::string where =
      std::string(to_string(query)) + " " + std::to_string(budget) + ": searching";
  block.search = search_plan(
      search, starts, limits,
      [&](const SearchResult& so_far, const SearchStep*) {
        progress.show(double(so_far.evaluations) / limits.evaluations, where);
      },
      cancel);
  if (block.search.cancelled) throw Cancelled{};
  block.tuned = block.search.best().plan;
  block.tuned.name = "tuned";

  CompareSettings compare;
  compare.singles = usual_policies(*model);
  compare.best_by = "recall";
  block.report = compare_plans(
      report,
      {by_cosine, by_nll, by_entropy, by_worst, compresskv, block.tuned, inverse, inverse_nll},
      compare, progress.callback(), cancel);
  for (const Plan& plan : {by_cosine, by_nll}) {
    block.audits.push_back({plan, audit_route(*model, sets, report, plan, progress, cancel)});
  }
  return block;
}

std::string plan_sentence(const Plan& plan) {
  std::string text;
  for (const LayerChoice& choice : plan.of(Phase::prefill)) {
    text += (text.empty() ? "" : ", ") + choice.policy + ":" +
            std::to_string(choice.budget.value_or(0));
  }
  return text;
}

std::string audit_sentence(const Block::Audited& audited) {
  std::string text = "- " + audited.plan.name + ": " + plan_sentence(audited.plan) + "; ";
  if (!audited.audit) return text + "one policy in every layer, so there is nothing to audit\n";
  const AuditRank by_nll = rank_of(*audited.audit, "nll");
  const AuditRank by_recall = rank_of(*audited.audit, "recall");
  return text + "audit rank " + std::to_string(by_nll.rank) + " of " + std::to_string(by_nll.of) +
         " by answer NLL (p = " + fixed(by_nll.p, 2) + "), " + std::to_string(by_recall.rank) +
         " by recall\n";
}

std::string block_text(const Block& block) {
  std::string text = "## " + std::string(to_string(block.query)) + ", " +
                     std::to_string(block.budget) + " tokens per layer\n\n" +
                     comparison_table(block.report).markdown() + "\n";
  for (const Block::Audited& audited : block.audits) text += audit_sentence(audited);
  return text + "- tuned: " + plan_sentence(block.tuned) + "; " +
         std::to_string(block.search.evaluations) + " plans from " + block.search.start().edit +
         "\n- calibration: " + percent_text(block.cost.share()) + " of full evaluations\n\n";
}

Json block_json(const Block& block, const PlanTarget& target) {
  Json audits = Json::array();
  for (const Block::Audited& audited : block.audits) {
    audits.push_back({{"plan", plan_object(audited.plan, target)},
                      {"audit", audited.audit ? audit_json(*audited.audit) : Json()}});
  }
  return {{"query", to_string(block.query)},          {"budget", block.budget},
          {"rows", comparison_json(block.report)},    {"audits", audits},
          {"calibration_share", block.cost.share()},  {"evaluations", block.search.evaluations},
          {"tuned", plan_object(block.tuned, target)}};
}

}  // namespace

int run_tune_table(const Options& given, const std::shared_ptr<const Model>& model,
                   ProgressLine& progress) {
  const Interrupt interrupt;
  const std::string path = given.text("--table");
  const Sets sets = make_sets(given, *model);
  const std::string word = given.choice("--query", "both", {"agnostic", "aware", "both"});
  std::vector<QueryVisibility> queries;
  if (word != "aware") queries.push_back(QueryVisibility::agnostic);
  if (word != "agnostic") queries.push_back(QueryVisibility::aware);
  LiveScorer search(model), report(model);
  search.set_cases(sets.search, progress.callback(), interrupt.flag());
  report.set_cases(sets.report, progress.callback(), interrupt.flag());
  std::string text = "# Routes and tuned plans beside single policies\n\n" + model->name() + ": " +
                     std::to_string(sets.calibration.size()) + " cases to calibrate on, " +
                     std::to_string(sets.search.size()) + " to search on, " +
                     std::to_string(sets.report.size()) +
                     " others to report on; 95% intervals in brackets (Wilson, Student t; "
                     "gap_recovered: bootstrap over the cases).\n\n";
  Json blocks = Json::array();
  for (const QueryVisibility query : queries) {
    for (const int budget : given.integers("--budgets", "32,64,128", 8, 100000)) {
      const Block block =
          run_block(given, model, sets, query, budget, search, report, progress, interrupt.flag());
      text += block_text(block);
      blocks.push_back(block_json(block, target_of(*model)));
      write_file_atomic(path, text);  // what is done stays, should the next one be cancelled
    }
  }
  progress.clear();
  if (given.has("--json")) {
    print_json({{"blocks", blocks}});
  } else {
    std::cout << text;
  }
  return 0;
}

}  // namespace polykv
