// `bench tune`: plans scored per second by the search, beside runs of the same plans from scratch.
#include <iostream>

#include "app/commands/bench.h"
#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/probe/needle.h"
#include "core/tune/calibrate.h"
#include "core/tune/search.h"

namespace polykv {
namespace {

constexpr int kScratchPlans = 5;  // of the search's plans, spread evenly, run from scratch

int run(const Options& given) {
  ProgressLine progress;
  const auto model = open_model(given, progress);
  NeedleSettings like;
  like.context_tokens = given.integer("--context", 950, 64, model->shape().max_tokens - 64);
  like.seed = given.seed(1);
  Json rows = Json::array();
  Table table({"cases", "plans", "search", "plans/s", "from scratch", "plans/s", "ratio"});
  for (const int count : given.integers("--cases", "16,64", 1, 100000)) {
    const std::vector<Case> cases = make_needle_cases(count, like, model->tokenizer());
    LiveScorer scorer(model);
    scorer.set_cases(cases, progress.callback());
    SearchSettings settings;
    settings.evaluations = given.integer("--edits", 200, 5, 1'000'000);
    settings.policies = usual_policies(*model);
    settings.cap = like.context_tokens;
    settings.seed = given.seed(1);
    const Plan start = uniform_plan("snapkv", 64, model->shape().layers, {});
    std::vector<Plan> plans;
    const SearchResult result = search_plan(
        scorer, {start}, settings, [&](const SearchResult& so_far, const SearchStep* step) {
          if (step) plans.push_back(step->plan);
          progress.show(double(so_far.evaluations) / settings.evaluations, "searching");
        });
    std::vector<double> scratch;
    for (int i = 0; i < kScratchPlans; ++i) {
      progress.show(double(i) / kScratchPlans, "the same plans from scratch");
      const Plan& plan = plans[static_cast<std::size_t>(i) * plans.size() / kScratchPlans];
      scratch.push_back(1e-3 * milliseconds([&] { run_from_scratch(*model, cases, plan); }));
    }
    const double fast = result.evaluations / result.seconds, slow = 1 / median(scratch);
    rows.push_back({{"cases", count},
                    {"context", like.context_tokens},
                    {"plans", result.evaluations},
                    {"search_seconds", result.seconds},
                    {"search_plans_per_s", fast},
                    {"scratch_plans", kScratchPlans},
                    {"scratch_seconds", median(scratch)},
                    {"scratch_plans_per_s", slow},
                    {"ratio", fast / slow}});
    table.add({std::to_string(count), std::to_string(result.evaluations),
               fixed(result.seconds, 1) + " s", fixed(fast, 1), fixed(median(scratch), 2) + " s",
               fixed(slow, 2), fixed(fast / slow, 1)});
  }
  progress.clear();
  if (given.has("--json")) {
    print_json({{"threads", torch_threads()}, {"rows", rows}});
  } else {
    table.print(std::cout);
    std::cout << torch_threads() << " threads; search of budgets and policies from snapkv:64, the "
              << "policies' first scoring included; from scratch: median of " << kScratchPlans
              << " of its plans\n";
  }
  return 0;
}

}  // namespace

const Bench kTuneBench = {"tune", "plans per second in search beside runs from scratch", run};

}  // namespace polykv
