#include "views/scores_model.h"

#include <algorithm>
#include <cmath>

#include "views/widgets.h"

namespace polykv {

namespace {

double distance(const PlotScale& scale, double value) {  // > 0 = worse than the ceiling
  return scale.higher_is_better ? scale.ceiling - value : value - scale.ceiling;
}

float raw_x(const PlotScale& scale, double value, float width, float ceiling_gap) {
  const double tick = width - ceiling_gap;
  double share = distance(scale, value) / scale.span;
  if (scale.square_root) share = std::copysign(std::sqrt(std::fabs(share)), share);
  return static_cast<float>(tick - share * tick);
}

std::string count_of(const Estimate& rate) {
  return format_count(std::llround(rate.value * rate.n)) + "/" + format_count(rate.n);
}

std::string percent(const Estimate& rate) {
  const Estimate scaled{rate.value * 100, rate.low * 100, rate.high * 100, rate.n};
  return format_number(scaled.value, digits_supported(scaled)) + "%";
}

std::string interval_words(const Estimate& e, double factor, const std::string& unit) {
  if (!std::isfinite(e.low) || !std::isfinite(e.high)) return "one case has no interval";
  Estimate scaled{e.value * factor, e.low * factor, e.high * factor, e.n};
  const int digits = std::min(3, digits_supported(scaled) + 1);
  return "95% interval " + format_number(scaled.low, digits) + " to " +
         format_number(scaled.high, digits) + unit;
}

std::string n_words(const Estimate& e) { return "n = " + format_count(e.n); }

// The NLL over the ceiling's: case by case where the cases are known, which needs no independence.
Estimate nll_over_full(const Snapshot& now) {
  if (now.results && static_cast<int>(now.results->size()) == now.score.answer_nll.n &&
      now.results->size() > 1) {
    std::vector<double> differences;
    for (const CaseResult& result : *now.results)
      differences.push_back(result.answer_nll - result.full_nll);
    return mean_with_t(differences);
  }
  const double full = now.ceiling.answer_nll.value;
  const Estimate& plan = now.score.answer_nll;
  return {plan.value - full, plan.low - full, plan.high - full, plan.n};
}

// Takes what differs between the rows: names, the estimate, the ceiling and the words.
ScoreLine make_line(const char* id, const char* name, const char* short_name, const Estimate& shown,
                    double ceiling, bool higher_is_better) {
  ScoreLine line;
  line.id = id;
  line.name = name;
  line.short_name = short_name;
  line.shown = shown;
  line.measured = shown.n > 0 && std::isfinite(shown.value);
  line.value = "—";
  line.scale = {ceiling, higher_is_better, 1};
  return line;
}

void finish_line(ScoreLine& line, double least_span) {
  double worst = line.measured ? distance(line.scale, line.shown.value) : 0;
  for (const ControlMark& control : line.controls)
    worst = std::max(worst, distance(line.scale, control.value));
  line.scale.span = nice_span(std::max(worst, least_span));
  const double end = line.scale.ceiling + (line.scale.higher_is_better ? -1 : 1) * line.scale.span;
  line.notes.push_back("left end of the plot " +
                       format_number(end, end == std::floor(end) ? 0 : 2) +
                       (line.scale.square_root ? ", square-root axis" : ""));
}

}  // namespace

float plot_x(const PlotScale& scale, double value, float width, float ceiling_gap) {
  return std::clamp(raw_x(scale, value, width, ceiling_gap), 0.0f, width);
}

bool off_plot(const PlotScale& scale, double value, float width, float ceiling_gap) {
  const float x = raw_x(scale, value, width, ceiling_gap);
  return x < -0.5f || x > width + 0.5f;
}

double nice_span(double at_least) {
  if (!(at_least > 0) || !std::isfinite(at_least)) return 1;
  const double base = std::pow(10.0, std::floor(std::log10(at_least)));
  for (double step : {1.0, 2.0, 5.0, 10.0})
    if (at_least <= step * base * (1 + 1e-9)) return step * base;
  return 10 * base;
}

int digits_supported(const Estimate& estimate) {
  const double half = (estimate.high - estimate.low) / 2;
  if (!std::isfinite(half)) return 1;
  if (half <= 0) return 2;
  const int first = static_cast<int>(std::ceil(-std::log10(half) - 1e-9));
  const bool small_digit = half * std::pow(10.0, first) < 2 - 1e-9;
  return std::clamp(first + (small_digit ? 1 : 0), 0, 3);
}

ScoresModel condense_scores(const Snapshot& now, const Ui& ui) {
  ScoresModel out;
  if (now.work.kind == Work::scoring) out.busy = static_cast<float>(now.work.share);
  if (!now.scored) {
    const bool reading = now.work.kind == Work::loading || now.work.kind == Work::prefill;
    if (reading)
      out.empty = "The cases are being read.";
    else if (now.work.kind == Work::scoring)
      out.empty = "The plan is being scored.";
    else
      out.empty =
          now.cases ? "No score yet. It follows the first edit." : "No cases, so nothing to score.";
    return out;
  }
  const ScoreRow &score = now.score, &full = now.ceiling;
  const std::string name = now.plan.name.empty() ? score.plan : now.plan.name;
  const std::string tag = to_string(now.plan.query), n = n_words(score.recall);
  out.stamps = {name + " against full · " + tag + " · " + n, name + " · " + tag + " · " + n,
                name + " · " + tag};
  if (ui.pill != Pill::exact && ui.pill != Pill::none) {
    out.stale_short = "stale · " + name;
    out.stale =
        out.stale_short + (ui.history.dragging() ? ", before the drag" : ", before the edit");
  }

  ScoreLine recall = make_line("recall", "recall", "recall", score.recall,
                               full.recall.n > 0 ? full.recall.value : 1, true);
  if (recall.measured) {
    recall.value = count_of(score.recall);
    recall.notes = {"cases whose greedy answer equals the gold one",
                    interval_words(score.recall, 1, "")};
  }
  recall.under = n + (full.recall.n > 0 ? " · full " + count_of(full.recall) : "");
  recall.cannot_tell = full.recall.n > 0 && full.recall.value < 0.5;
  if (recall.cannot_tell)
    recall.notes = {"The full cache gets " + count_of(full.recall) + ": this score cannot tell."};
  for (const ScoreRow& c : now.controls)
    if (c.recall.n > 0) recall.controls.push_back({c.plan, count_of(c.recall), c.recall.value});
  finish_line(recall, 0.1);

  ScoreLine nll = make_line("answer_nll", "answer NLL", "NLL", nll_over_full(now), 0, false);
  if (nll.measured) {
    nll.value = format_signed(nll.shown.value, digits_supported(nll.shown));
    nll.notes = {"nats per answer token more than the full cache",
                 interval_words(nll.shown, 1, "")};
    const double own = full.answer_nll.value;
    nll.under = "nats · " + n_words(nll.shown) + " · full " +
                (own > 0 && own < 0.005 ? "< 0.01" : format_number(own, 2));
  }
  for (const ScoreRow& c : now.controls)
    if (c.answer_nll.n > 0) {
      const double over = c.answer_nll.value - full.answer_nll.value;
      nll.controls.push_back({c.plan, format_signed(over, digits_supported(c.answer_nll)), over});
    }
  nll.scale.square_root = true;
  finish_line(nll, 0.1);

  ScoreLine kl = make_line("kl_to_full", "KL to full", "KL", score.kl_to_full, 0, false);
  if (kl.measured) {
    kl.value = format_number(kl.shown.value, digits_supported(kl.shown));
    kl.notes = {"nats per answer position from the full cache's distribution",
                interval_words(kl.shown, 1, "")};
    kl.under = "nats · " + n_words(kl.shown) + " · full 0";
  }
  for (const ScoreRow& c : now.controls)
    if (c.kl_to_full.n > 0)
      kl.controls.push_back({c.plan,
                             format_number(c.kl_to_full.value, digits_supported(c.kl_to_full)),
                             c.kl_to_full.value});
  kl.scale.square_root = true;
  finish_line(kl, 0.1);

  ScoreLine top1 =
      make_line("top1_agreement", "top-1 agreement", "top-1", score.top1_agreement, 1, true);
  if (top1.measured) {
    top1.value = percent(top1.shown);
    top1.notes = {"answer positions with the arg-max of the full cache",
                  interval_words(top1.shown, 100, "%")};
    top1.under = n_words(top1.shown) + " · full 100%";
  }
  for (const ScoreRow& c : now.controls)
    if (c.top1_agreement.n > 0)
      top1.controls.push_back({c.plan, percent(c.top1_agreement), c.top1_agreement.value});
  finish_line(top1, 0.1);

  ScoreLine mass = make_line("kept_mass", "kept mass", "kept mass", score.kept_mass, 1, true);
  if (mass.measured) {
    mass.value = format_number(mass.shown.value, digits_supported(mass.shown));
    mass.notes = {"share of the full cache's attention on kept tokens",
                  interval_words(mass.shown, 1, "")};
    mass.under = "mean of " + std::to_string(std::max<int>(1, score.kept_mass_by_layer.size())) +
                 " layers · full 1";
  }
  for (const ScoreRow& c : now.controls)
    if (c.kept_mass.n > 0)
      mass.controls.push_back({c.plan,
                               format_number(c.kept_mass.value, digits_supported(c.kept_mass)),
                               c.kept_mass.value});
  finish_line(mass, 0.1);

  out.lines = {recall, nll, kl, top1, mass};
  if (!now.controls.empty()) out.control_note = "controls, same total";

  const auto kib = [](std::int64_t bytes) {
    const double value = static_cast<double>(bytes) / 1024;
    return value < 10 && value != std::floor(value) ? format_number(value, 1)
                                                    : format_count(std::llround(value));
  };
  out.bytes = kib(score.kv_bytes) + " of " + kib(full.kv_bytes) + " KiB";
  if (full.kv_bytes > 0)
    out.bytes_share = std::clamp(
        static_cast<double>(score.kv_bytes) / static_cast<double>(full.kv_bytes), 0.0, 1.0);
  // Both are means over the cases, each rounded to a byte.
  out.bytes_as_planned = std::llabs(score.kv_bytes - score.kv_bytes_planned) <= 1;
  out.bytes_tip = out.bytes_as_planned
                      ? "Allocated bytes equal the planned bytes, mean over the cases."
                      : "The plan says " + kib(score.kv_bytes_planned) + " KiB, the caches hold " +
                            kib(score.kv_bytes) + " KiB.";
  out.rescore = (score.rescore_ms < 10 ? format_number(score.rescore_ms, 1)
                                       : format_count(std::lround(score.rescore_ms))) +
                " ms";
  return out;
}

}  // namespace polykv
