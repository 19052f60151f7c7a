// `bench live`: time from an edit to its exact score, beside a run from scratch.
#include <algorithm>
#include <iostream>

#include "app/commands/bench.h"
#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/cache/engine.h"
#include "core/error.h"
#include "core/plan/edit.h"
#include "core/policies/policy.h"
#include "core/probe/language.h"
#include "core/probe/needle.h"
#include "core/score/live_scorer.h"

namespace polykv {
namespace {

struct Timing {
  int cases = 0, context = 0, edits = 0;
  double median_ms = 0, p95_ms = 0, max_ms = 0, full_run_ms = 0;
};

// Cases whose contexts have exactly `tokens` tokens: seeds are tried in order.
std::vector<Case> exact_cases(int count, int tokens, std::uint64_t seed, const Model& model) {
  std::vector<Case> cases;
  NeedleSettings settings;
  settings.context_tokens = tokens;
  for (int tries = 0; static_cast<int>(cases.size()) < count; ++tries) {
    if (tries == 1000 * count) {
      throw Error(ErrorKind::failed,
                  "bench live: no contexts of exactly " + std::to_string(tokens) + " tokens");
    }
    settings.seed = seed++;
    settings.depth = 0.25 * static_cast<double>(cases.size() % 5);
    Case made = make_needle_case(settings, model.tokenizer());
    if (static_cast<int>(made.context.size()) == tokens) cases.push_back(std::move(made));
  }
  return cases;
}

std::vector<std::string> prefill_policies() {
  std::vector<std::string> ids;
  for (const Policy& policy : policies()) {
    if ((policy.phases & kPrefill) && policy.score && stands_alone(policy))
      ids.push_back(policy.id);
  }
  return ids;
}

// One random edit: a new budget or another policy for a random layer.
Plan edited(const Plan& plan, Prng& prng, int context, const std::vector<std::string>& policies) {
  EditRules rules;
  rules.keep_total = false;
  rules.cap = context;
  const int layer = prng.below(plan.layers());
  if (prng.below(2) == 0) return with_budget(plan, layer, 16 + prng.below(context / 2), rules);
  const int pick = prng.below(static_cast<int>(policies.size()));
  return with_policy(plan, layer, policies[static_cast<std::size_t>(pick)], rules);
}

Timing time_edits(const std::shared_ptr<const Model>& model, int count, int context, int edits,
                  std::uint64_t seed, ProgressLine& progress) {
  const std::vector<Case> cases = exact_cases(count, context, seed, *model);
  LiveScorer scorer(model);
  scorer.set_cases(cases, progress.callback());
  const int layers = model->shape().layers;
  const auto uniform = [&](const std::string& policy, int budget) {
    return uniform_plan(policy, budget, layers, QueryVisibility::agnostic);
  };
  // A session has seen every policy before: the score vectors are there.
  const std::vector<std::string> policies = prefill_policies();
  for (const std::string& policy : policies) scorer.score(uniform(policy, 64));

  Timing timing{count, context, edits};
  Prng prng(seed);
  Plan plan = uniform("snapkv", 128);
  scorer.score(plan);
  std::vector<double> times;
  for (int e = 0; e < edits; ++e) {
    progress.show(static_cast<double>(e) / edits, "edits with " + std::to_string(count) + " cases");
    plan = edited(plan, prng, context, policies);
    times.push_back(milliseconds([&] { scorer.score(plan); }));
  }
  timing.median_ms = median(times);
  timing.p95_ms = percentile(times, 0.95);
  timing.max_ms = percentile(times, 1);

  progress.show(1, "runs from scratch");
  std::vector<double> full_runs;
  for (int r = 0; r < 3; ++r)
    full_runs.push_back(milliseconds([&] { run_from_scratch(*model, cases, plan); }));
  timing.full_run_ms = median(full_runs);
  return timing;
}

int run(const Options& given) {
  ProgressLine progress;
  const auto model = open_model(given, progress);
  const int context = given.integer("--context", 1024, 64, model->shape().max_tokens - 64);
  const int edits = given.integer("--edits", 200, 1, 1000000);
  std::vector<Timing> timings;
  for (const int cases : given.integers("--cases", "1,16", 1, 100000)) {
    timings.push_back(time_edits(model, cases, context, edits, given.seed(1), progress));
  }
  Json rows = Json::array();
  Table table({"cases", "context", "edits", "median", "p95", "max", "run from scratch"});
  const auto ms = [](double value) { return fixed(value, 1) + " ms"; };
  for (const Timing& t : timings) {
    rows.push_back({{"cases", t.cases},
                    {"context", t.context},
                    {"edits", t.edits},
                    {"median_ms", t.median_ms},
                    {"p95_ms", t.p95_ms},
                    {"max_ms", t.max_ms},
                    {"full_run_ms", t.full_run_ms}});
    table.add({std::to_string(t.cases), std::to_string(t.context), std::to_string(t.edits),
               ms(t.median_ms), ms(t.p95_ms), ms(t.max_ms), ms(t.full_run_ms)});
  }
  if (given.has("--json")) {
    print_json({{"threads", torch_threads()}, {"rows", rows}});
  } else {
    table.print(std::cout);
    std::cout << torch_threads() << " threads; query agnostic; time from an edit to its exact "
              << "score\n";
  }
  return 0;
}

}  // namespace

const Bench kLiveBench = {"live", "time from an edit to its exact score", run};

}  // namespace polykv
