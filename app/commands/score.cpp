// `score`: exact scores of plans over a case set, the full cache first.
#include <algorithm>
#include <array>
#include <iostream>
#include <map>
#include <sstream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/plan/control.h"
#include "core/plan/edit.h"
#include "core/policies/policy.h"
#include "core/probe/needle.h"
#include "core/score/live_scorer.h"
#include "core/signals/layer_signals.h"
#include "core/text.h"

namespace polykv {
namespace {

constexpr int kSignalCases = 16;  // on which a signal for +ALLOCATOR is measured

struct Row {
  ScoreRow score;
  QueryVisibility query = QueryVisibility::agnostic;
  bool control = false;
  std::vector<LayerChoice> layers{};  // of the prefill phase
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
    Row row{scorer.score(jobs[i].plan), jobs[i].plan.query, jobs[i].control,
            jobs[i].plan.of(Phase::prefill)};
    row.score.plan = jobs[i].plan.name;
    rows.push_back(row);
  }
  return rows;
}

Json json_of(const Row& row) {
  Json budgets = Json::array();
  for (const LayerChoice& layer : row.layers) {
    budgets.push_back(layer.budget ? Json(*layer.budget) : Json());
  }
  Json json = score_json(row.score);
  json["budgets"] = budgets;
  json["query"] = to_string(row.query);
  json["control"] = row.control;
  return json;
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

// The plans of --plan, or snapkv:64 and streaming_llm:64, and every POLICY[+ALLOCATOR] of
// --policies with every budget of --budgets.
std::vector<std::string> plan_arguments(const Options& given, const Model& model) {
  std::vector<std::string> arguments = given.all("--plan");
  if (given.has("--policies")) {
    struct Choice {
      std::string policy, allocator;  // "", or "+ALLOCATOR"
    };
    std::vector<Choice> chosen;
    std::vector<std::string> known = policy_ids();
    std::erase_if(known, [](const std::string& id) {
      return id == "full" || !(find_policy(id)->phases & kPrefill);
    });
    std::istringstream list(given.text("--policies"));
    for (std::string item; std::getline(list, item, ',');) {
      const std::size_t plus = std::min(item.find('+'), item.size());
      const std::string id = item.substr(0, plus), allocator = item.substr(plus);
      if (item == "all") {
        for (const std::string& each : known) {
          const unsigned needs = find_policy(each)->needs;
          if ((needs & kNeedsFile) || ((needs & kNeedsHeads) && !model.heads())) continue;
          chosen.push_back({each, ""});
        }
      } else if (std::find(known.begin(), known.end(), id) != known.end()) {
        chosen.push_back({id, allocator});
      } else {
        throw Error(ErrorKind::usage,
                    "--policies: unknown policy '" + id + "'" + did_you_mean(id, known));
      }
    }
    for (const int budget : given.integers("--budgets", "64", 1, 10'000'000)) {
      for (const auto& [policy, allocator] : chosen) {
        arguments.push_back(policy + ":" + std::to_string(budget) + allocator);
      }
    }
  }
  if (arguments.empty()) arguments = {"snapkv:64", "streaming_llm:64"};
  return arguments;
}

int case_count(const Options& given) { return given.integer("--count", 16, 1, 100000); }

// Nothing: as the plans say.
std::vector<std::optional<QueryVisibility>> queries_of(const Options& given) {
  if (!given.has("--query")) return {std::nullopt};
  const std::string word = given.choice("--query", "", {"agnostic", "aware", "both"});
  if (word == "both") return {QueryVisibility::agnostic, QueryVisibility::aware};
  return {query_from(word)};
}

// Reads plans; measures what +ALLOCATOR reads where no --signal gives it.
class PlanReader {
 public:
  PlanReader(const Options& given, const Model& model, ProgressLine& progress)
      : given_(given), model_(model), progress_(progress) {}

  Plan read(const std::string& argument, std::optional<QueryVisibility> query) {
    const std::size_t plus = argument.rfind('+');
    const Allocator* allocator = nullptr;
    for (const Allocator& row : allocators()) {
      if (plus != std::string::npos && argument.substr(plus + 1) == row.id) allocator = &row;
    }
    if (!allocator || allocator->needs == kNoPart || given_.has("--signal")) {
      return read_plan_option(argument, query, given_, model_);
    }
    Plan plan = read_plan_option(argument.substr(0, plus), query, given_, model_);
    plan = with_allocator(plan, *allocator, measured(*allocator, plan), {});
    plan.name = argument;
    return plan;
  }

 private:
  // On needle cases that are not the scored ones, so that no budget is chosen by its own test.
  const Signal& measured(const Allocator& allocator, const Plan& plan) {
    SignalSettings settings;
    settings.query = plan.query;
    settings.cut.policy = plan.of(Phase::prefill)[0].policy;
    settings.seed = plan.seed;
    const std::string source = signal_source(allocator);
    const auto [at, fresh] =
        known_.try_emplace({source, settings.cut.policy, to_string(plan.query)});
    if (fresh) {
      NeedleSettings like;
      like.context_tokens = std::min(like.context_tokens, model_.shape().max_tokens - 64);
      like.seed = given_.seed(like.seed) + static_cast<std::uint64_t>(case_count(given_));
      at->second = measure_signal(model_, make_needle_cases(kSignalCases, like, model_.tokenizer()),
                                  source, settings, progress_.callback());
    }
    return at->second;
  }

  const Options& given_;
  const Model& model_;
  ProgressLine& progress_;
  std::map<std::array<std::string, 3>, Signal> known_;  // by source, policy and query
};

int run(const Options& given) {
  ProgressLine progress;
  const auto model = open_model(given, progress);
  PlanReader reader(given, *model, progress);
  std::vector<Plan> plans;
  for (const std::optional<QueryVisibility> query : queries_of(given)) {
    for (const std::string& argument : plan_arguments(given, *model)) {
      plans.push_back(reader.read(argument, query));
      if (plans.back().name.empty()) plans.back().name = argument;
    }
  }
  LiveScorer scorer(model);
  scorer.set_cases(read_case_set(given, *model, case_count(given)), progress.callback());

  const std::vector<LayerChoice> everything(static_cast<std::size_t>(model->shape().layers));
  std::vector<Row> rows{{scorer.full_row(), plans.front().query, false, everything}};
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
    {"--policies", "A,B+C", "also these policies (+ALLOCATOR), or all, with every budget"},
    {"--budgets", "N,N", "tokens per layer and kv head for --policies (default 64)"},
    {"--count", "N", "needle cases to make (default 16)"},
    {"--query", "agnostic|aware|both", "whether the cut sees the question, for every plan"},
    {"--table", "FILE", "also write the rows as a Markdown table"},
    kHeadsOption,
    kSignalOption,
    {"--controls", "", "also random and streaming_llm with the same budgets"},
};

}  // namespace

const Word kScoreWord = {
    "score",
    "Exact scores of plans over a case set.",
    "",
    kOptions,
    run,
    "What +ALLOCATOR reads is measured on 16 other needle cases when no --signal gives it; error:\n"
    "with the plan's policy cut to 32 tokens."};

}  // namespace polykv
