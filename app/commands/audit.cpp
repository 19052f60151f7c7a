// `audit`: the plan among random placements of its own policies.
#include "core/tune/audit.h"

#include <algorithm>
#include <iostream>

#include "app/commands/interrupt.h"
#include "app/commands/tuning.h"
#include "core/error.h"
#include "core/plan/control.h"
#include "core/tune/calibrate.h"
#include "core/tune/route.h"

namespace polykv {
namespace {

void print_histogram(const Audit& audit) {
  const Histogram h = histogram_of(audit, "nll", 12);
  const double width = (h.high - h.low) / double(h.counts.size());
  for (std::size_t b = 0; b < h.counts.size(); ++b) {
    std::cout << "  " << fixed(h.low + width * double(b), 3) << "  "
              << std::string(static_cast<std::size_t>(h.counts[b]), '#')
              << (static_cast<int>(b) == h.plan_bin ? "  <- the plan" : "") << "\n";
  }
}

int run(const Options& given) {
  given.require("--plan");
  ProgressLine progress;
  const Interrupt interrupt;
  const auto model = open_model(given, progress);
  const Plan plan = read_plan_option(given.text("--plan"), query_option(given), given, *model);
  const std::vector<Case> cases =
      read_case_set(given, *model, given.integer("--count", 64, 1, 100000));
  Audit audit = plan_audit(*model, cases, plan, given.integer("--permutations", 100, 1, 1'000'000),
                           given.seed(0), shard_option(given));
  LiveScorer scorer(model);
  Comparison beside;
  try {
    scorer.set_cases(cases, progress.callback(), interrupt.flag());
    run_audit(scorer, plan, audit, progress.callback(), interrupt.flag());
    if (audit.shard.whole() && !given.has("--no-controls")) {
      CompareSettings compare;
      compare.singles = usual_policies(*model);
      std::vector<Plan> plans = {plan, even_budgets(plan)};
      plans.back().name = plan.name + ", even budgets";
      if (plan_fingerprint(plans[1]) == plan_fingerprint(plan)) plans.pop_back();
      if (given.has("--calibration")) {
        const Calibration calibration = read_calibration_of(given.text("--calibration"), *model);
        for (const bool inverse : {false, true}) {
          plans.push_back(route_like(calibration, plan, inverse));
        }
      }
      beside = compare_plans(scorer, plans, compare, progress.callback(), interrupt.flag());
    }
  } catch (const Cancelled&) {
    progress.clear();
    throw Error(ErrorKind::failed, "cancelled after " + std::to_string(audit.scores.size()) +
                                       " placements; --shard I/N runs the audit in parts");
  }
  progress.clear();
  Json json = audit_json(audit);
  if (given.has("--out")) write_file_atomic(given.text("--out"), json.dump(1) + "\n");
  if (!beside.rows.empty()) {
    json["beside"] = comparison_json(beside);
    json["cannot_tell"] = !cannot_tell(beside).empty();
  }
  if (given.has("--json")) {
    print_json(json);
    return 0;
  }
  if (!audit.shard.whole()) {
    std::cout << audit.scores.size() << " of " << audit.placements + 1
              << " placements scored (part " << audit.shard.index << " of " << audit.shard.of
              << "); `merge` ranks them\n";
    return 0;
  }
  const AuditRank rank = rank_of(audit, "nll"), by_recall = rank_of(audit, "recall");
  std::cout << audit.plan << ": rank " << rank.rank << " of " << rank.of
            << " placements by answer NLL (p = " << fixed(rank.p, 3) << "), rank " << by_recall.rank
            << " by recall; " << audit.cases << " cases, query " << to_string(audit.query) << "\n";
  if (audit.placements < audit.asked) {
    std::cout << "these policies can be placed in only " << audit.placements << " other ways\n";
  }
  print_histogram(audit);
  if (!beside.rows.empty()) comparison_table(beside).print(std::cout);
  if (!cannot_tell(beside).empty()) std::cout << cannot_tell(beside) << "\n";
  return 0;
}

constexpr Option kOptions[] = {
    {"--plan", "P", "plan file with at least two policies"},
    {"--permutations", "N", "other placements of the same policies (default 100)"},
    kCasesOption,
    {"--count", "N", "needle cases to make (default 64)"},
    kQueryOption,
    kHeadsOption,
    {"--calibration", "FILE", "also score its route and inverse route at the plan's total"},
    {"--no-controls", "", "leave out full, random, sink+recent and the single policies"},
    kShardOption,
    {"--out", "FILE", "write the scores, for `merge`"},
};

}  // namespace

const Word kAuditWord = {
    "audit",
    "Is it this policy in this layer? The plan among random placements of its own policies.",
    "",
    kOptions,
    run,
    "Budgets and policy counts stay; only which layer gets which policy changes. p is the share "
    "of\n"
    "all placements, the plan among them, that are at least as good."};

}  // namespace polykv
