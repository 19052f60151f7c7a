#pragma once
// Is it this policy in this layer that counts? The plan among random placements of its own
// policies (PolyKV v2). Plain header.
#include <cstdint>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/score/live_scorer.h"
#include "core/shard.h"
#include "core/tune/search.h"

namespace polykv {

// The plan with its prefill policies (and their parameters) placed anew over the layers that have a
// budget; budgets, `full` layers and the decode phase stay.
struct Placement {
  int index = 0;  // 0 = the plan itself
  Plan plan;
};

// The plan and `count` other placements, all different, drawn by the seed; fewer when there are
// no more. Throws an input Error when the plan has only one placement.
std::vector<Placement> draw_placements(const Plan& plan, int count, std::uint64_t seed);

struct AuditScore {
  int index = 0;
  double recall = 0, answer_nll = 0;
  bool operator==(const AuditScore&) const = default;
};

struct Audit {
  std::string plan, plan_fingerprint, model_fingerprint, cases_fingerprint;
  QueryVisibility query = QueryVisibility::agnostic;
  std::uint64_t seed = 0;
  int cases = 0;
  int asked = 0, placements = 0;  // permutations asked for; those that exist, the plan left out
  Shard shard;
  std::vector<AuditScore> scores;  // ascending index; 0 is the plan's

  bool complete() const;  // every placement of the shard is scored
};

// Rank 1 = no placement is better; placements with the same score count half a rank each, rounded
// up. p: share of all placements, the plan among them, that are at least as good.
struct AuditRank {
  int rank = 1, of = 1;
  double p = 1;
};
// By "nll" or "recall"; needs the plan's own score.
AuditRank rank_of(const Audit& audit, const std::string& by);

// Equal counts over [low, high] of the scores; the plan's own falls into bin `plan_bin`.
struct Histogram {
  double low = 0, high = 0;
  std::vector<int> counts;  // without the plan
  int plan_bin = 0;
};
Histogram histogram_of(const Audit& audit, const std::string& by, int bins);

Audit plan_audit(const Model& model, const std::vector<Case>& cases, const Plan& plan,
                 int permutations, std::uint64_t seed, const Shard& shard = {});
// Scores what of the shard is not there yet; the plan itself belongs to shard 1. `done` after each.
// Throws Cancelled; what is scored stays.
void run_audit(LiveScorer& scorer, const Plan& plan, Audit& audit, const Progress& progress = {},
               const CancelFlag* cancel = nullptr,
               const std::function<void(const Audit&)>& done = {});

Json audit_json(const Audit& audit);  // "polykv-audit/1"
Audit parse_audit(const Json& json, const std::string& origin);
// As merge_calibrations.
Audit merge_audits(const std::vector<Audit>& parts, const std::vector<std::string>& origins);

}  // namespace polykv
