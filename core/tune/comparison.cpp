#include "core/tune/comparison.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "core/plan/control.h"
#include "core/tune/search.h"

namespace polykv {
namespace {

constexpr int kDraws = 2000;
constexpr std::uint64_t kBootstrapSeed = 1;

struct PerCase {
  std::vector<double> recall, nll;
};

PerCase per_case(const std::vector<CaseResult>& results) {
  PerCase numbers;
  for (const CaseResult& each : results) {
    numbers.recall.push_back(each.correct);
    numbers.nll.push_back(each.answer_nll);
  }
  return numbers;
}

}  // namespace

const char* to_string(Role role) {
  switch (role) {
    case Role::full:
      return "full";
    case Role::control:
      return "control";
    case Role::single:
      return "single";
    case Role::best_single:
      return "best single";
    default:
      return "plan";
  }
}

const ComparisonRow* Comparison::best_single() const {
  const auto found = std::find_if(rows.begin(), rows.end(), [](const ComparisonRow& row) {
    return row.role == Role::best_single;
  });
  return found == rows.end() ? nullptr : &*found;
}

Estimate gap_recovered(const std::vector<double>& plan, const std::vector<double>& best,
                       const std::vector<double>& full, bool up) {
  const std::size_t n = plan.size();
  const double sign = up ? 1 : -1;
  const auto above_and_gap = [&](const std::vector<std::size_t>& drawn) {
    double above = 0, gap = 0;
    for (const std::size_t i : drawn) {
      above += plan[i] - best[i];
      gap += full[i] - best[i];
    }
    return std::pair(sign * above, sign * gap);
  };
  std::vector<std::size_t> drawn(n);
  std::iota(drawn.begin(), drawn.end(), std::size_t{0});
  const auto [above, gap] = above_and_gap(drawn);
  if (n == 0 || gap <= 0) return {};
  std::vector<double> ratios;
  std::mt19937_64 random(kBootstrapSeed);
  for (int draw = 0; draw < kDraws; ++draw) {
    for (std::size_t& i : drawn) i = random() % n;
    const auto [drawn_above, drawn_gap] = above_and_gap(drawn);
    // Without a gap in a draw the ratio has no bound on the side it lies on.
    ratios.push_back(drawn_gap > 0 ? drawn_above / drawn_gap
                                   : (drawn_above >= 0 ? HUGE_VAL : -HUGE_VAL));
  }
  std::sort(ratios.begin(), ratios.end());
  return {above / gap, ratios[kDraws / 40], ratios[kDraws - 1 - kDraws / 40], static_cast<int>(n)};
}

Comparison compare_plans(LiveScorer& scorer, const std::vector<Plan>& plans,
                         const CompareSettings& settings, const Progress& progress,
                         const CancelFlag* cancel) {
  const Objective& by = find_objective(settings.best_by);
  const Plan even = even_budgets(plans.at(0));
  Comparison comparison;
  std::vector<PerCase> cases;
  const std::size_t jobs = 3 + settings.singles.size() + plans.size();
  const auto add = [&](Role role, const Plan& plan) {
    if (progress) {
      progress(double(comparison.rows.size()) / double(jobs), "scoring " + plan.name);
    }
    ComparisonRow row{role, plan, scorer.score(plan, cancel), {}, {}};
    row.score.plan = plan.name;
    comparison.rows.push_back(std::move(row));
    cases.push_back(per_case(scorer.results()));
  };
  add(Role::full, uniform_plan("full", std::nullopt, even.layers(), even.query));
  add(Role::control, control_plan(even, "random", "random"));
  add(Role::control, control_plan(even, "streaming_llm", "sink+recent"));
  std::size_t best = 0;
  for (const std::string& id : settings.singles) {
    Plan single = control_plan(even, id, id);
    for (LayerChoice& choice : single.of(Phase::decode)) choice = LayerChoice{};
    add(Role::single, single);
    const std::size_t at = comparison.rows.size() - 1;
    if (best == 0 || by.cost(comparison.rows[at].score) < by.cost(comparison.rows[best].score)) {
      best = at;
    }
  }
  if (best > 0) comparison.rows[best].role = Role::best_single;
  for (const Plan& plan : plans) add(Role::plan, plan);
  if (best > 0) {
    for (std::size_t r = 0; r < comparison.rows.size(); ++r) {
      comparison.rows[r].gap_by_recall =
          gap_recovered(cases[r].recall, cases[best].recall, cases[0].recall, true);
      comparison.rows[r].gap_by_nll =
          gap_recovered(cases[r].nll, cases[best].nll, cases[0].nll, false);
    }
  }
  if (!settings.keep_singles) {
    std::erase_if(comparison.rows,
                  [](const ComparisonRow& row) { return row.role == Role::single; });
  }
  return comparison;
}

}  // namespace polykv
