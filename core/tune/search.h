#pragma once
// Search from a plan: pairwise budget moves and policy swaps, accepted when the score improves, and
// restarts. The total never changes, locked layers stay. Plain header.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/probe/case.h"
#include "core/score/live_scorer.h"

namespace polykv {

struct Objective {  // one row
  const char *id, *summary;
  // Less is better.
  double (*cost)(const ScoreRow&);
};
std::span<const Objective> objectives();
const Objective& find_objective(const std::string& id);  // throws with the nearest known id

struct SearchSettings {
  int evaluations = 0;  // most plans scored, the starts included; 0 = no limit
  double seconds = 0;   // 0 = no limit; a result under a time limit is not reproducible
  std::uint64_t seed = 0;
  std::string objective = "nll";
  std::vector<bool> locked;           // per layer; shorter = unlocked
  std::vector<std::string> policies;  // that a swap may choose; empty = budgets only
  int floor = 1, cap = 0;             // tokens of a layer; cap 0 = none
};

struct SearchStep {
  int evaluation = 0;  // the how manyth scored plan it is
  double seconds = 0;  // since the start
  std::string edit;    // "start", "layer 3: snapkv to keydiff", "8 tokens from layer 1 to layer 4"
  Plan plan;
  ScoreRow score;  // on the search cases
};

struct SearchResult {
  std::vector<SearchStep>
      steps;  // the best start, then every accepted step that is the best so far
  int evaluations = 0, restarts = 0;
  double seconds = 0;
  bool cancelled = false;

  const SearchStep& start() const { return steps.front(); }
  const SearchStep& best() const { return steps.back(); }
};

// Called after every scored plan; `step` is null unless it is the best so far.
using SearchWatch = std::function<void(const SearchResult& so_far, const SearchStep* step)>;

// Scores the starts (all of one total and query) and goes on from the best of them. The scorer
// holds the search cases. Cancelling returns the best so far. Throws an input Error for starts that
// do not fit the model or have nothing that may change, and when no limit is given.
SearchResult search_plan(LiveScorer& scorer, const std::vector<Plan>& starts,
                         const SearchSettings& settings, const SearchWatch& watch = {},
                         const CancelFlag* cancel = nullptr);

// A case set in two halves, drawn by the seed: one to search on, the other to report on.
struct CaseHalves {
  std::vector<Case> search, report;
};
CaseHalves split_cases(const std::vector<Case>& cases, std::uint64_t seed);  // needs two cases

}  // namespace polykv
