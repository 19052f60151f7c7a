// `score`: exact scores of plans over a case set, the full cache first.
#include <algorithm>
#include <iostream>
#include <sstream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/error.h"
#include "core/plan/control.h"
#include "core/policies/policy.h"
#include "core/score/live_scorer.h"
#include "core/text.h"

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

Table table_of(const std::vector<Row>& rows) {
  Table table({"plan", "query", "recall", "answer nll", "kl to full", "top-1 agree", "kept mass",
               "kv cache", "rescore"});
  for (const Row& row : rows) {
    const ScoreRow& s = row.score;
    table.add({s.plan + (row.control ? " (control)" : ""), to_string(row.query),
               with_interval(s.recall, 2), with_interval(s.answer_nll, 3),
               with_interval(s.kl_to_full, 3), with_interval(s.top1_agreement, 2),
               with_interval(s.kept_mass, 2), bytes_text(s.kv_bytes),
               fixed(s.rescore_ms, 1) + " ms"});
  }
  return table;
}

// The plans of --plan, or snapkv:64 and streaming_llm:64, and every policy of --policies with every
// budget of --budgets.
std::vector<std::string> plan_arguments(const Options& given, const Model& model) {
  std::vector<std::string> arguments = given.all("--plan");
  if (given.has("--policies")) {
    std::vector<std::string> chosen, known = policy_ids();
    std::erase_if(known, [](const std::string& id) {
      return id == "full" || !(find_policy(id)->phases & kPrefill);
    });
    std::istringstream list(given.text("--policies"));
    for (std::string id; std::getline(list, id, ',');) {
      if (id == "all") {
        chosen = known;
        std::erase_if(chosen, [&](const std::string& each) {
          const unsigned needs = find_policy(each)->needs;
          return (needs & kNeedsFile) || ((needs & kNeedsHeads) && !model.heads());
        });
      } else if (std::find(known.begin(), known.end(), id) != known.end()) {
        chosen.push_back(id);
      } else {
        throw Error(ErrorKind::usage,
                    "--policies: unknown policy '" + id + "'" + did_you_mean(id, known));
      }
    }
    for (const int budget : given.integers("--budgets", "64", 1, 10'000'000)) {
      for (const std::string& id : chosen) arguments.push_back(id + ":" + std::to_string(budget));
    }
  }
  if (arguments.empty()) arguments = {"snapkv:64", "streaming_llm:64"};
  return arguments;
}

// Nothing: as the plans say.
std::vector<std::optional<QueryVisibility>> queries_of(const Options& given) {
  if (!given.has("--query")) return {std::nullopt};
  const std::string word = given.choice("--query", "", {"agnostic", "aware", "both"});
  if (word == "both") return {QueryVisibility::agnostic, QueryVisibility::aware};
  return {query_from(word)};
}

int run(const Options& given) {
  ProgressLine progress;
  const auto model = open_model(given, progress);
  std::vector<Plan> plans;
  for (const std::optional<QueryVisibility> query : queries_of(given)) {
    for (const std::string& argument : plan_arguments(given, *model)) {
      plans.push_back(read_plan_option(argument, query, given, *model));
      if (plans.back().name.empty()) plans.back().name = argument;
    }
  }
  LiveScorer scorer(model);
  scorer.set_cases(read_case_set(given, *model, given.integer("--count", 16, 1, 100000)),
                   progress.callback());

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
  std::string head = std::to_string(cases) + " cases, query " + query +
                     (query == "agnostic" ? " (the cut does not see the question)" : "") +
                     "; 95% intervals in brackets";
  if (cannot_tell) {
    head += "; cannot tell: even the full cache answers fewer than half of these cases";
  }
  if (given.has("--table")) {
    write_file_atomic(given.text("--table"), head + "\n\n" + table_of(rows).markdown());
  }
  if (!given.has("--json")) {
    std::cout << head << "\n";
    table_of(rows).print(std::cout);
    return 0;
  }
  Json list = Json::array();
  for (const Row& row : rows) list.push_back(json_of(row));
  print_json({{"cases", cases}, {"query", query}, {"cannot_tell", cannot_tell}, {"rows", list}});
  return 0;
}

constexpr Option kOptions[] = {
    {"--plan", "P", "plan file or POLICY:BUDGET[+ALLOCATOR]; may be given several times"},
    {"--cases", "FILE", "JSON lines; without it needle cases are made"},
    {"--policies", "A,B", "also these policies, or all, with every budget of --budgets"},
    {"--budgets", "N,N", "tokens per layer and kv head for --policies (default 64)"},
    {"--count", "N", "needle cases to make (default 16)"},
    {"--query", "agnostic|aware|both", "whether the cut sees the question, for every plan"},
    {"--table", "FILE", "also write the rows as a Markdown table"},
    kHeadsOption,
    kSignalOption,
    {"--controls", "", "also random and streaming_llm with the same budgets"},
};

}  // namespace

const Word kScoreWord = {"score", "Exact scores of plans over a case set.", "", kOptions, run};

}  // namespace polykv
