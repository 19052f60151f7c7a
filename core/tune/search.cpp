#include "core/tune/search.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>

#include "core/error.h"
#include "core/policies/policy.h"
#include "core/suggest.h"

namespace polykv {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kEnough = 1e-9;  // an improvement below this is rounding
constexpr int kShakes = 3;        // random moves of a restart

struct Move {
  Phase phase = Phase::prefill;
  int layer = 0;       // changed, or giving
  int other = -1;      // receiving; < 0 = a swap
  std::string policy;  // of a swap
};

// A number below `limit` drawn the same way on every platform.
std::size_t draw(std::mt19937_64& random, std::size_t limit) { return random() % limit; }

template <class T>
void shuffle(std::vector<T>& items, std::mt19937_64& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[draw(random, i)]);
}

class Search {
 public:
  Search(LiveScorer& scorer, const SearchSettings& settings, const SearchWatch& watch,
         const CancelFlag* cancel)
      : scorer_(scorer),
        settings_(settings),
        objective_(find_objective(settings.objective)),
        watch_(watch),
        cancel_(cancel),
        random_(settings.seed) {}

  SearchResult run(const std::vector<Plan>& starts);

 private:
  struct Stop {};  // a limit is reached

  bool locked(int layer) const {
    return layer < static_cast<int>(settings_.locked.size()) && settings_.locked[layer];
  }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  int cap() const { return settings_.cap > 0 ? settings_.cap : 1 << 30; }
  std::vector<Move> moves(const Plan& plan) const;
  bool apply(const Move& move, int step, Plan& plan, std::string* edit) const;
  double cost(const Plan& plan, const std::string& edit);
  bool climb(Plan& plan, double& at, int step);
  Plan shaken(Plan plan);

  LiveScorer& scorer_;
  const SearchSettings& settings_;
  const Objective& objective_;
  const SearchWatch& watch_;
  const CancelFlag* cancel_;
  std::mt19937_64 random_;
  Clock::time_point started_ = Clock::now();
  SearchResult result_;
  double best_ = 0;
};

// Every move there is, in the order of the table; of all phases that have budgets.
std::vector<Move> Search::moves(const Plan& plan) const {
  std::vector<Move> all;
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const std::vector<LayerChoice>& choices = plan.of(phase);
    const unsigned mask = phase == Phase::prefill ? kPrefill : kDecode;
    for (int l = 0; l < plan.layers(); ++l) {
      if (locked(l) || !choices[l].budget) continue;
      for (int other = 0; other < plan.layers(); ++other) {
        if (other != l && !locked(other) && choices[other].budget) {
          all.push_back({phase, l, other, {}});
        }
      }
      for (const std::string& id : settings_.policies) {
        const Policy* policy = find_policy(id);
        if (policy && policy->score && (policy->phases & mask) && id != choices[l].policy) {
          all.push_back({phase, l, -1, id});
        }
      }
    }
  }
  return all;
}

// False when the move does nothing; `edit` becomes its sentence.
bool Search::apply(const Move& move, int step, Plan& plan, std::string* edit) const {
  std::vector<LayerChoice>& choices = plan.of(move.phase);
  const std::string when = move.phase == Phase::decode ? " (decode)" : "";
  LayerChoice& from = choices[move.layer];
  if (move.other < 0) {
    if (from.policy == move.policy) return false;
    if (edit) {
      *edit =
          "layer " + std::to_string(move.layer) + ": " + from.policy + " to " + move.policy + when;
    }
    from.policy = move.policy;
    from.params.clear();
    return true;
  }
  LayerChoice& to = choices[move.other];
  const int floor = std::max(1, settings_.floor);
  const int moved = std::min({step, *from.budget - floor, cap() - *to.budget});
  if (moved <= 0) return false;
  from.budget = *from.budget - moved;
  to.budget = *to.budget + moved;
  if (edit) {
    *edit = std::to_string(moved) + " tokens from layer " + std::to_string(move.layer) +
            " to layer " + std::to_string(move.other) + when;
  }
  return true;
}

// Scores a plan and keeps it when it is the best so far.
double Search::cost(const Plan& plan, const std::string& edit) {
  if ((settings_.evaluations > 0 && result_.evaluations >= settings_.evaluations) ||
      (settings_.seconds > 0 && !result_.steps.empty() && seconds() >= settings_.seconds)) {
    throw Stop{};
  }
  const ScoreRow row = scorer_.score(plan, cancel_);
  ++result_.evaluations;
  result_.seconds = seconds();
  const double found = objective_.cost(row);
  const bool better = result_.steps.empty() || found < best_ - kEnough;
  if (better) {
    best_ = found;
    result_.steps.push_back({result_.evaluations, result_.seconds, edit, plan, row});
  }
  if (watch_) watch_(result_, better ? &result_.steps.back() : nullptr);
  return found;
}

// One pass over all moves in random order; true when one was accepted.
bool Search::climb(Plan& plan, double& at, int step) {
  std::vector<Move> order = moves(plan);
  shuffle(order, random_);
  bool moved = false;
  for (const Move& move : order) {
    Plan next = plan;
    std::string edit;
    if (!apply(move, step, next, &edit)) continue;
    const double found = cost(next, edit);
    if (found >= at - kEnough) continue;
    at = found;
    plan = std::move(next);
    moved = true;
  }
  return moved;
}

Plan Search::shaken(Plan plan) {
  for (int i = 0; i < kShakes; ++i) {
    const std::vector<Move> all = moves(plan);
    const int mean = std::max(1, plan.total(Phase::prefill) / std::max(1, plan.layers()));
    apply(all[draw(random_, all.size())], std::max(1, mean / 2), plan, nullptr);
  }
  return plan;
}

SearchResult Search::run(const std::vector<Plan>& starts) {
  if (settings_.evaluations <= 0 && settings_.seconds <= 0) {
    fail_input("search", "evaluations", "a limit of evaluations or seconds is needed");
  }
  if (starts.empty()) fail_input("search", "start", "expected at least one plan");
  for (const Plan& start : starts) {
    if (start.query != starts[0].query ||
        start.total(Phase::prefill) != starts[0].total(Phase::prefill)) {
      fail_input("search", "start", "the plans must have one total and one query visibility");
    }
    if (moves(start).empty()) {
      fail_input("search", "start",
                 "'" + start.name +
                     "' has nothing that may change: no two unlocked layers with a "
                     "budget, and no policy to swap to");
    }
  }
  try {
    Plan plan;
    double at = 0;
    for (std::size_t s = 0; s < starts.size(); ++s) {
      const double found = cost(starts[s], "start " + starts[s].name);
      if (s > 0 && found >= at) continue;
      plan = starts[s];
      at = found;
    }
    // The steps begin at the best start.
    result_.steps.erase(result_.steps.begin(), result_.steps.end() - 1);
    const int mean = std::max(1, plan.total(Phase::prefill) / std::max(1, plan.layers()));
    while (true) {
      for (int step = std::max(1, mean / 2); step >= 1; step /= 2) {
        while (climb(plan, at, step)) {
        }
      }
      ++result_.restarts;
      plan = shaken(result_.steps.back().plan);
      at = cost(plan, "restart " + std::to_string(result_.restarts));
    }
  } catch (const Stop&) {
  } catch (const Cancelled&) {
    if (result_.steps.empty()) throw;
    result_.cancelled = true;
  }
  result_.seconds = seconds();
  return std::move(result_);
}

}  // namespace

std::span<const Objective> objectives() {
  static constexpr Objective table[] = {
      {"nll", "answer NLL", [](const ScoreRow& row) { return row.answer_nll.value; }},
      {"kl", "KL divergence to the full cache",
       [](const ScoreRow& row) { return row.kl_to_full.value; }},
      // A rate takes few values: the NLL, far below one case's share, decides between equal ones.
      {"recall", "recall, then answer NLL",
       [](const ScoreRow& row) { return -row.recall.value + 1e-6 * row.answer_nll.value; }},
  };
  return table;
}

const Objective& find_objective(const std::string& id) {
  std::vector<std::string> known;
  for (const Objective& row : objectives()) {
    if (id == row.id) return row;
    known.emplace_back(row.id);
  }
  throw Error(ErrorKind::usage, "unknown objective '" + id + "', known are nll, kl, recall" +
                                    did_you_mean(id, known));
}

SearchResult search_plan(LiveScorer& scorer, const std::vector<Plan>& starts,
                         const SearchSettings& settings, const SearchWatch& watch,
                         const CancelFlag* cancel) {
  return Search(scorer, settings, watch, cancel).run(starts);
}

CaseHalves split_cases(const std::vector<Case>& cases, std::uint64_t seed) {
  if (cases.size() < 2) {
    fail_input("", "cases", "a search needs two cases at least: half to search on, half to report");
  }
  std::vector<std::size_t> order(cases.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random(seed);
  shuffle(order, random);
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(order.size() / 2));
  std::sort(order.begin() + static_cast<std::ptrdiff_t>(order.size() / 2), order.end());
  CaseHalves halves;
  for (std::size_t i = 0; i < order.size(); ++i) {
    (i < order.size() / 2 ? halves.search : halves.report).push_back(cases[order[i]]);
  }
  return halves;
}

}  // namespace polykv
