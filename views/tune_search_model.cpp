// The search as it grows, its report, and the audit's histogram.
#include <algorithm>
#include <cmath>
#include <utility>

#include "views/scores_model.h"
#include "views/tune_model.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr int kBins = 20;
constexpr double kMargin = 0.06;  // of the value axis beyond what must be seen
constexpr double kReach = 1.5;    // controls farther away than so many spans are off the axis

struct Score {  // a row of objectives(), as it is shown
  const char *id, *name;
  double most;  // the largest there can be
  double (*value)(const ScoreRow&);
};
constexpr Score kScores[] = {
    {"nll", "answer NLL, nats", HUGE_VAL, [](const ScoreRow& row) { return row.answer_nll.value; }},
    {"kl", "KL to full, nats", HUGE_VAL, [](const ScoreRow& row) { return row.kl_to_full.value; }},
    {"recall", "recall", 1, [](const ScoreRow& row) { return row.recall.value; }},
};
const Score& score_of(const std::string& id) {
  for (const Score& score : kScores)
    if (id == score.id) return score;
  return kScores[0];
}

// Digits that tell numbers apart which lie `span` from each other.
int digits_of(double span) {
  const double step = std::fabs(span) / 50;
  return step > 0 ? std::clamp(static_cast<int>(std::ceil(-std::log10(step))), 2, 6) : 3;
}

// A small number keeps its first digit.
std::string shown(double value, int digits) {
  while (digits < 6 && value != 0 && std::fabs(value) < 0.5 * std::pow(10.0, -digits)) ++digits;
  return format_number(value, digits);
}

// "0.61 [0.40, 0.83]" with the digits that the interval supports.
std::string interval(const Estimate& e) {
  if (e.n == 0) return "\u2014";
  const int digits = digits_supported(e);
  return format_number(e.value, digits) + " [" + format_number(e.low, digits) + ", " +
         format_number(e.high, digits) + "]";
}

std::string rate(const Estimate& e) {
  if (e.n == 0) return "\u2014";
  return format_count(std::llround(e.value * e.n)) + "/" + format_count(e.n) + " [" +
         format_number(e.low, 2) + ", " + format_number(e.high, 2) + "]";
}

bool is_locked(const Ui& ui, int layer) {
  return layer < static_cast<int>(ui.band.locked.size()) &&
         ui.band.locked[static_cast<std::size_t>(layer)];
}

// Why a search cannot start from the plan in hand.
std::string search_fault(const Snapshot& now, const Ui& ui) {
  const std::string missing = nothing_to_measure(now, ui);
  if (!missing.empty()) return missing;
  if (now.cases->cases.size() < 2)
    return "A search needs two cases at least: half to search on, half to report.";
  const Plan& plan = ui.history.current();
  for (const Phase phase : {Phase::prefill, Phase::decode})
    for (int layer = 0; layer < plan.layers(); ++layer)
      if (plan.of(phase)[static_cast<std::size_t>(layer)].budget && !is_locked(ui, layer))
        return "";
  return "Nothing may change: no unlocked layer has a budget.";
}

// Places a mark on [low, high]; what lies outside is clipped and flagged.
void place(AxisMark& mark, double low, double high, int digits) {
  const double share = high > low ? (mark.value - low) / (high - low) : 0.5;
  mark.text = shown(mark.value, share < 0 || share > 1 ? 2 : digits);
  mark.off = share < 0 ? -1 : share > 1 ? 1 : 0;
  mark.at = static_cast<float>(std::clamp(share, 0.0, 1.0));
}

AxisMark mark_of(AxisMark::Kind kind, const std::string& name, double value) {
  AxisMark mark;
  mark.kind = kind;
  mark.name = name;
  mark.value = value;
  return mark;
}

AxisMark::Kind kind_of(const std::string& name) {
  return name == "full" ? AxisMark::Kind::full : AxisMark::Kind::control;
}

// The ends of an axis that must show [low, high] and those marks that are not too far away. What
// cannot be below 0, or above `most`, leaves no room there.
void widen(double& low, double& high, const std::vector<AxisMark>& marks, double most) {
  const double span = std::max(high - low, 1e-6), from = low, to = high;
  for (const AxisMark& mark : marks) {
    if (!std::isfinite(mark.value)) continue;
    if (mark.value >= from - kReach * span && mark.value <= to + kReach * span) {
      low = std::min(low, mark.value);
      high = std::max(high, mark.value);
    }
  }
  const double margin = std::max(kMargin * (high - low), 1e-6);
  low = low >= 0 ? std::max(0.0, low - margin) : low - margin;
  high = std::min(most, high + margin);
}

void fill_steps(SearchView& view, const SearchAnswer& answer) {
  const Score& score = score_of(answer.objective);
  const auto& steps = answer.result.steps;
  if (steps.empty()) return;
  double low = score.value(steps.front().score), high = low;
  for (const SearchStep& step : steps) {
    SearchStepLine line;
    line.evaluation = step.evaluation;
    line.edit = step.edit;
    line.cost = score.value(step.score);
    low = std::min(low, line.cost);
    high = std::max(high, line.cost);
    view.steps.push_back(std::move(line));
  }
  view.marks.push_back(mark_of(AxisMark::Kind::start, "start", view.steps.front().cost));
  const int digits = digits_of(high - low);
  for (const ScoreRow& control : answer.controls) {
    view.marks.push_back(mark_of(kind_of(control.plan), control.plan, score.value(control)));
    if (view.marks.back().kind == AxisMark::Kind::full) {  // what there is to gain
      low = std::min(low, view.marks.back().value);
      high = std::max(high, view.marks.back().value);
    }
  }
  widen(low, high, view.marks, score.most);
  for (AxisMark& mark : view.marks) place(mark, low, high, digits);
  for (SearchStepLine& line : view.steps) {
    line.at = static_cast<float>((line.cost - low) / (high - low));
    line.value = shown(line.cost, digits);
  }
  view.low = format_number(low, digits_of(high - low));
  view.high = format_number(high, digits_of(high - low));
  view.axis = std::string(score.name) + ", search half, n = " + format_count(answer.search_cases);
  view.evaluations = std::max(answer.result.evaluations, 1);
  view.headline = view.steps.front().value + " to " + view.steps.back().value + " in " +
                  format_count(answer.result.evaluations) + " plans";
}

std::string report_name(const ComparisonRow& row) {
  return row.role == Role::best_single ? "best single: " + row.plan.name : row.plan.name;
}

void fill_report(SearchView& view, const SearchAnswer& answer) {
  if (!answer.report) return;
  for (const ComparisonRow& row : answer.report->rows) {
    const ScoreRow& score = row.score;
    ReportLine line;
    line.name = report_name(row);
    line.recall = rate(score.recall);
    line.nll = interval(score.answer_nll);
    line.gap = interval(row.gap_by_nll);
    if (row.role == Role::full || row.role == Role::best_single) line.gap = "\u2014";
    line.strong = &row == &answer.report->rows.back();
    view.report.push_back(std::move(line));
  }
  view.report_stamp = "report half, n = " + format_count(answer.report_cases);
  const ComparisonRow* best = answer.report->best_single();
  const bool gap = best && answer.report->rows[0].gap_by_nll.n > 0;
  view.report_note = gap ? "95% intervals (\u2014 no bound), gap by NLL"
                         : "no gap: the full cache is not above the best single policy";
  if (answer.report_cases < kFewCases) view.warning = "few cases";
}

std::string search_note(const SearchAnswer& answer, bool running) {
  if (running && answer.running) return "";
  if (answer.report) return "";
  if (running) return "scoring the other half";
  if (answer.result.cancelled) return "cancelled: the best plan so far is kept";
  return "the other half was not scored";
}

// p in words that need no statistics.
std::string p_words(const AuditRank& rank) {
  const int as_good = static_cast<int>(std::lround(rank.p * rank.of));
  return "p = " + format_number(rank.p, 3) + ": " + format_count(as_good) + " of " +
         format_count(rank.of) +
         (as_good == 1 ? " placements is as good, the plan itself"
                       : " placements are as good or better, the plan among them");
}

std::string audit_fault(const Snapshot& now, const Ui& ui) {
  const std::string missing = nothing_to_measure(now, ui);
  if (!missing.empty()) return missing;
  const LayerChoice* first = nullptr;
  for (const LayerChoice& choice : ui.history.current().of(Phase::prefill)) {
    if (!choice.budget) continue;
    if (first && (choice.policy != first->policy || choice.params != first->params)) return "";
    first = &choice;
  }
  return "An audit places the plan's policies anew: this plan has one policy in all its layers.";
}

void fill_audit(AuditView& view, const AuditAnswer& answer, bool by_recall) {
  const Audit& audit = answer.audit;
  const std::string by = by_recall ? "recall" : "nll";
  const auto value = [&](const ScoreRow& row) {
    return by_recall ? row.recall.value : row.answer_nll.value;
  };
  if (!audit.scores.empty() && audit.scores[0].index == 0) {
    const AuditScore& own = audit.scores[0];
    view.marks.push_back(
        mark_of(AxisMark::Kind::plan, "this plan", by_recall ? own.recall : own.answer_nll));
  }
  bool own_row = true;  // the first plan is the audited one, the others are a calibration's routes
  for (const ComparisonRow& row : answer.controls.rows) {
    if (row.role == Role::plan && std::exchange(own_row, false)) continue;
    const bool single = row.role == Role::best_single;
    view.marks.push_back(mark_of(single ? AxisMark::Kind::single : kind_of(row.plan.name),
                                 report_name(row), value(row.score)));
  }
  view.axis = by_recall ? "recall" : "answer NLL, nats";
  view.stamp = audit.plan + ", " + to_string(audit.query) + ", n = " + format_count(audit.cases);
  if (audit.cases < kFewCases) view.warning = "few cases: ranks may change";
  if (view.marks.empty()) return;
  double low = view.marks[0].value, high = low;
  Histogram histogram;
  if (audit.scores.size() > 1) {
    histogram = histogram_of(audit, by, kBins);
    low = histogram.low;
    high = histogram.high;
    const AuditRank rank = rank_of(audit, by);
    view.headline = "Rank " + format_count(rank.rank) + " of " + format_count(rank.of);
    view.words = p_words(rank);
  }
  const double bins_low = low, bins_high = high;
  widen(low, high, view.marks, by_recall ? 1 : HUGE_VAL);
  const int digits = digits_of(high - low);
  for (AxisMark& mark : view.marks) place(mark, low, high, digits);
  view.bins = histogram.counts;
  view.bins_low = static_cast<float>((bins_low - low) / (high - low));
  view.bins_high = static_cast<float>((bins_high - low) / (high - low));
  for (const int count : view.bins) view.most = std::max(view.most, count);
  view.low = format_number(low, digits);
  view.high = format_number(high, digits);
}

}  // namespace

SearchView condense_search(const Snapshot& now, const Ui& ui) {
  SearchView view;
  view.missing = search_fault(now, ui);
  if (!now.search) return view;
  const SearchAnswer& answer = *now.search;
  view.there = true;
  view.running = answer.running && tuning(now);
  fill_steps(view, answer);
  fill_report(view, answer);
  view.note = search_note(answer, tuning(now));
  if (!answer.result.steps.empty()) {
    Plan best = answer.result.best().plan;
    best.name = ui.history.current().name;
    view.can_apply = best != ui.history.current();
  }
  return view;
}

AuditView condense_audit(const Snapshot& now, const Ui& ui) {
  AuditView view;
  view.missing = audit_fault(now, ui);
  if (!now.audit) return view;
  view.there = true;
  view.running = now.audit->running && tuning(now);
  fill_audit(view, *now.audit, ui.tune.by_recall);
  if (!view.running && !now.audit->audit.complete())
    view.warning = "cancelled after " +
                   format_count(static_cast<int>(now.audit->audit.scores.size())) + " placements";
  if (plan_fingerprint(ui.history.current()) != now.audit->audit.plan_fingerprint)
    view.stamp += " \u00b7 not the plan in hand";
  return view;
}

}  // namespace polykv
