#pragma once
// A plan beside what it must be held against: the full cache, controls and the best single policy
// at the same total, on the same cases. Plain header.
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/score/live_scorer.h"

namespace polykv {

enum class Role { full, control, single, best_single, plan };
const char* to_string(Role role);

struct ComparisonRow {
  Role role = Role::plan;
  Plan plan;
  ScoreRow score;  // score.plan names the row
  // Share of the gap between the best single policy and the full cache that the row closes,
  // (row - best) / (full - best), by recall and by answer NLL; bootstrap over the cases. n = 0
  // where there is no gap: the full cache is not above the best single policy.
  Estimate gap_by_recall, gap_by_nll;
};

struct Comparison {
  std::vector<ComparisonRow> rows;           // full first, then controls, singles, plans
  const ComparisonRow* best_single() const;  // null when no single policy was compared
};

struct CompareSettings {
  std::vector<std::string> singles;  // policies that every layer of the first plan gets, by itself
  std::string best_by = "nll";       // row of objectives() by which the best single is chosen
  bool keep_singles = false;         // keep the rows of the other single policies
};

// plans: at least one; the controls and singles hold the first plan's budgets shared evenly.
Comparison compare_plans(LiveScorer& scorer, const std::vector<Plan>& plans,
                         const CompareSettings& settings, const Progress& progress = {},
                         const CancelFlag* cancel = nullptr);

// (plan - best) / (full - best) of the means of paired numbers per case, with the 95% percentile
// interval of 2,000 bootstrap draws of the cases; n = 0 when full is not above best. `up`: more is
// better.
Estimate gap_recovered(const std::vector<double>& plan, const std::vector<double>& best,
                       const std::vector<double>& full, bool up);

}  // namespace polykv
