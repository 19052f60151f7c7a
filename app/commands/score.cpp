// `score`: exact scores of plans over a case set, the full cache first.
#include <algorithm>
#include <iostream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/plan/control.h"
#include "core/policies/policy.h"
#include "core/score/live_scorer.h"

namespace polykv {
namespace {

struct Row {
  ScoreRow score;
  QueryVisibility query = QueryVisibility::agnostic;
  bool control = false;
};

std::vector<Row> score_plans(LiveScorer& scorer, const std::vector<Plan>& plans, bool controls,
                             ProgressLine& progress) {
  struct Job {
    Plan plan;
    bool control;
  };
  std::vector<Job> jobs;
  for (const Plan& plan : plans) jobs.push_back({plan, false});
  for (const Plan& plan : plans) {
    if (!controls || plan.total(Phase::prefill) == 0) continue;
    for (const char* policy : {"random", "streaming_llm"}) {
      const Plan control = control_plan(
          plan, policy,
          std::string(policy) + " (total " + std::to_string(plan.total(Phase::prefill)) + ")");
      const bool known = std::any_of(jobs.begin(), jobs.end(), [&](const Job& job) {
        return plan_fingerprint(job.plan) == plan_fingerprint(control);
      });
      if (!known) jobs.push_back({control, true});
    }
  }
  std::vector<Row> rows;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    progress.show(static_cast<double>(i) / static_cast<double>(jobs.size()),
                  "scoring " + jobs[i].plan.name);
    Row row{scorer.score(jobs[i].plan), jobs[i].plan.query, jobs[i].control};
    row.score.plan = jobs[i].plan.name;
    rows.push_back(row);
  }
  return rows;
}

Json json_of(const Row& row) {
  const ScoreRow& s = row.score;
  return {{"plan", s.plan},
          {"query", to_string(row.query)},
          {"control", row.control},
          {"recall", json_of(s.recall)},
          {"answer_nll", json_of(s.answer_nll)},
          {"kl_to_full", json_of(s.kl_to_full)},
          {"top1_agreement", json_of(s.top1_agreement)},
          {"kept_mass", json_of(s.kept_mass)},
          {"kept_mass_by_layer", s.kept_mass_by_layer},
          {"kv_bytes", s.kv_bytes},
          {"kv_bytes_planned", s.kv_bytes_planned},
          {"rescore_ms", s.rescore_ms}};
}

void print_table(const std::vector<Row>& rows, std::size_t cases, const std::string& query,
                 bool cannot_tell) {
  std::cout << cases << " cases, query " << query
            << (query == "agnostic" ? " (the cut does not see the question)" : "")
            << "; 95% intervals in brackets\n";
  Table table({"plan", "recall", "answer nll", "kl to full", "top-1 agree", "kept mass", "kv cache",
               "rescore"});
  for (const Row& row : rows) {
    const ScoreRow& s = row.score;
    table.add({s.plan + (row.control ? " (control)" : ""), with_interval(s.recall, 2),
               with_interval(s.answer_nll, 3), with_interval(s.kl_to_full, 3),
               with_interval(s.top1_agreement, 2), with_interval(s.kept_mass, 2),
               bytes_text(s.kv_bytes), fixed(s.rescore_ms, 1) + " ms"});
  }
  table.print(std::cout);
  if (cannot_tell) {
    std::cout << "cannot tell: even the full cache answers fewer than half of these cases\n";
  }
}

int run(const Options& given) {
  ProgressLine progress;
  const auto model = open_model(given, progress);
  std::vector<std::string> arguments = given.all("--plan");
  if (arguments.empty()) arguments = {"snapkv:64", "streaming_llm:64"};
  std::vector<Plan> plans;
  for (const std::string& argument : arguments) {
    plans.push_back(read_plan_option(argument, given, *model));
    if (plans.back().name.empty()) plans.back().name = argument;
  }
  LiveScorer scorer(model);
  scorer.set_cases(read_case_set(given, *model, 16), progress.callback());

  std::vector<Row> rows{{scorer.full_row(), plans.front().query, false}};
  rows.front().score.plan = "full";
  // A plan named full is the row that is already there.
  std::erase_if(plans, [](const Plan& plan) {
    return plan.total(Phase::prefill) == 0 && plan.total(Phase::decode) == 0;
  });
  for (Row& row : score_plans(scorer, plans, given.has("--controls"), progress)) {
    rows.push_back(std::move(row));
  }
  const std::size_t cases = scorer.cases().size();
  const bool mixed = std::any_of(rows.begin(), rows.end(),
                                 [&](const Row& row) { return row.query != rows[0].query; });
  const std::string query = mixed ? "mixed" : to_string(rows[0].query);
  const bool cannot_tell = rows[0].score.recall.value < 0.5;
  if (!given.has("--json")) {
    print_table(rows, cases, query, cannot_tell);
    return 0;
  }
  Json list = Json::array();
  for (const Row& row : rows) list.push_back(json_of(row));
  print_json({{"cases", cases}, {"query", query}, {"cannot_tell", cannot_tell}, {"rows", list}});
  return 0;
}

constexpr Option kOptions[] = {
    {"--plan", "P", "plan file or POLICY:BUDGET[+ALLOCATOR]; may be given several times"},
    {"--cases", "FILE", "JSON lines; without it 16 needle cases are made"},
    {"--query", "agnostic|aware", "whether the cut sees the question, for every plan"},
    {"--controls", "", "also random and streaming_llm with the same budgets"},
};

}  // namespace

const Word kScoreWord = {"score", "Exact scores of plans over a case set.", "", kOptions, run};

}  // namespace polykv
