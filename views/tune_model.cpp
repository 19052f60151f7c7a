// The calibration's table and signals, and the suggestions made from them.
#include "views/tune_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/policies/policy.h"
#include "core/tune/route.h"
#include "views/layers_model.h"
#include "views/policy_items.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr double kZ = 1.96;  // 95% of a normal distribution
constexpr int kBarNumbers = 3;

std::string cases_words(int n) { return format_count(n) + (n == 1 ? " case" : " cases"); }

double half_width(const MeanError& value) {
  return std::isfinite(value.error) ? kZ * value.error : std::numeric_limits<double>::infinity();
}

void mark_best(std::vector<TuneCell>& row, bool more_is_better) {
  int best = -1;
  for (int c = 0; c < static_cast<int>(row.size()); ++c) {
    const double value = row[c].value.mean;
    if (!std::isfinite(value)) continue;
    if (best < 0 || (more_is_better ? value > row[best].value.mean : value < row[best].value.mean))
      best = c;
  }
  if (best < 0) return;
  row[best].best = true;
  const MeanError& top = row[best].value;
  for (TuneCell& cell : row)
    cell.near = !cell.best &&
                std::fabs(cell.value.mean - top.mean) <= half_width(cell.value) + half_width(top);
}

// Shades of all cells, and the numbers of the colour bar. The square root spreads the many good
// cells that a few bad ones would press together.
void shade_cells(CalibrationView& view) {
  const bool up = view.measure->more_is_better;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const auto& row : view.rows)
    for (const TuneCell& cell : row)
      if (std::isfinite(cell.value.mean))
        low = std::min(low, cell.value.mean), high = std::max(high, cell.value.mean);
  const double best = up ? high : low, range = high - low;
  for (auto& row : view.rows)
    for (TuneCell& cell : row)
      cell.shade = range > 0 ? 1 - std::sqrt(std::fabs(cell.value.mean - best) / range) : 1;
  for (int i = 0; i < kBarNumbers && range > 0; ++i) {
    const double away = 1 - double(i) / (kBarNumbers - 1);
    view.bar.push_back(cell_text(best + (up ? -1 : 1) * away * away * range));
  }
}

void fill_table(CalibrationView& view, const Snapshot& now, const Ui& ui) {
  const Calibration& c = *now.calibration;
  const Phase phase = ui.band.phase;
  const std::vector<int> columns = c.columns_of(phase);
  for (const int column : columns) {
    const Policy* policy = find_policy(c.columns[column].policy);
    if (!policy) continue;
    view.columns.push_back({policy->id, policy->code, policy_refusal(now, *policy, phase)});
  }
  const auto& choices = ui.history.current().of(phase);
  for (int layer = 0; layer < c.layers; ++layer) {
    std::vector<TuneCell> row;
    for (const int column : columns) {
      TuneCell cell;
      cell.value = c.cell(*view.measure, layer, column);
      cell.text = cell_text(cell.value.mean);
      cell.in_plan = layer < static_cast<int>(choices.size()) &&
                     choices[layer].policy == c.columns[column].policy;
      row.push_back(std::move(cell));
    }
    mark_best(row, view.measure->more_is_better);
    view.rows.push_back(std::move(row));
  }
  shade_cells(view);
}

// Hyphens before digits become minus signs.
std::string with_minus(std::string text) {
  for (std::size_t at = text.find(" -"); at != std::string::npos; at = text.find(" -", at + 1))
    if (at + 2 < text.size() && text[at + 2] >= '0' && text[at + 2] <= '9')
      text.replace(at + 1, 1, "\u2212");
  return text;
}

// The chosen signal per layer. Those made of the table's cells have no error of their own.
void fill_signal(CalibrationView& view, const Calibration& c, const std::string& id) {
  view.signal_name = id;
  const auto& ids = c.signal_ids;
  const bool measured = std::find(ids.begin(), ids.end(), id) != ids.end();
  std::vector<double> values;
  try {
    if (!measured) values = calibration_signal(c, id).values;
  } catch (const Error&) {
    return;  // of a calibration without prefill columns
  }
  double low = 0, high = 0;
  for (int layer = 0; layer < c.layers; ++layer) {
    SignalPoint point;
    if (measured) {
      point.value = c.signal(id, layer);
    } else {
      point.value = {values.at(layer), std::numeric_limits<double>::quiet_NaN(), c.n()};
    }
    const double error = std::isfinite(point.value.error) ? point.value.error : 0;
    low = std::min(low, point.value.mean - error);
    high = std::max(high, point.value.mean + error);
    view.signal.push_back(point);
  }
  const double range = high > low ? high - low : 1;
  for (SignalPoint& point : view.signal) {
    const double error = std::isfinite(point.value.error) ? point.value.error : 0;
    point.at = static_cast<float>((point.value.mean - low) / range);
    point.low = static_cast<float>((point.value.mean - error - low) / range);
    point.high = static_cast<float>((point.value.mean + error - low) / range);
  }
  view.signal_low = low == 0 ? "0" : cell_text(low);
  view.signal_high = cell_text(high);
}

// Whether the 95% interval of the plan's own policy meets that of the suggested one.
bool own_is_near(const Calibration& c, const CellMeasure& measure, const RouteReason& reason,
                 const std::string& own) {
  for (const int column : c.columns_of(reason.phase)) {
    if (c.columns[static_cast<std::size_t>(column)].policy != own) continue;
    const MeanError value = c.cell(measure, reason.layer, column);
    return std::fabs(value.mean - reason.value.mean) <=
           half_width(value) + half_width(reason.value);
  }
  return false;
}

std::string doubts(const Calibration& c, const Ui& ui) {
  std::string text;
  const auto add = [&](const std::string& more) { text += (text.empty() ? "" : "; ") + more; };
  const Plan& plan = ui.history.current();
  if (plan.query != c.settings.query)
    add(std::string("the plan in hand is ") + to_string(plan.query));
  if (!c.complete()) add("stopped at " + format_count(c.n()) + " of " + cases_words(c.case_count));
  if (c.n() < kFewCases) add("few cases: ranks may change");
  return text;
}

}  // namespace

std::string nothing_to_measure(const Snapshot& now, const Ui& ui) {
  if (!now.model) return "No model is open.";
  if (!now.cases || now.cases->cases.empty()) return "No needle cases yet.";
  return ui.history.current().layers() > 0 ? "" : "There is no plan.";
}

std::string cell_text(double value) {
  if (!std::isfinite(value)) return "\u2014";
  const double size = std::fabs(value);
  if (size >= 9.95) return format_count(std::llround(value));
  if (size >= 0.9995) return format_number(value, 1);
  std::string text = format_number(value, value < 0 ? 2 : 3);
  const std::size_t zero = text.find("0.");
  if (zero != std::string::npos) text.erase(zero, 1);
  return text.find_first_of("123456789") == std::string::npos ? "0" : text;
}

bool tuning(const Snapshot& now) { return now.work.kind == Work::tuning; }

int calibration_budget(const Ui& ui) {
  if (ui.tune.budget > 0) return ui.tune.budget;
  const Plan& plan = ui.history.current();
  for (const Phase phase : {ui.band.phase, Phase::prefill, Phase::decode}) {
    int budgeted = 0;
    for (const LayerChoice& choice : plan.of(phase)) budgeted += choice.budget ? 1 : 0;
    if (budgeted > 0) return std::max(1, (plan.total(phase) + budgeted / 2) / budgeted);
  }
  return CalibrationSettings().budget;
}

CalibrationView condense_calibration(const Snapshot& now, const Ui& ui) {
  CalibrationView view;
  view.missing = nothing_to_measure(now, ui);
  view.can_start = view.missing.empty();
  if (!view.can_start) return view;
  if (!now.calibration || now.calibration->n() == 0) {
    view.missing = "Not calibrated yet. It disturbs one layer at a time by every policy, on " +
                   cases_words(static_cast<int>(now.cases->cases.size())) + ".";
    return view;
  }
  const Calibration& c = *now.calibration;
  view.measure = &find_measure(ui.tune.measure);
  view.stamp = "n = " + format_count(c.n()) + ", " + format_count(c.settings.budget) + " tokens, " +
               to_string(c.settings.query);
  view.warning = doubts(c, ui);
  fill_table(view, now, ui);
  fill_signal(view, c, ui.tune.signal);
  return view;
}

SuggestView condense_suggestions(const Snapshot& now, const Ui& ui) {
  SuggestView view;
  view.missing = nothing_to_measure(now, ui);
  if (view.missing.empty() && (!now.calibration || now.calibration->n() == 0))
    view.missing = "Suggestions are made from a calibration of these cases.";
  if (!view.missing.empty()) return view;
  const Plan& plan = ui.history.current();
  const Phase phase = ui.band.phase;
  RouteSettings settings;  // the sentences are wanted here: the budgets stay as they are
  settings.measure = ui.tune.measure;
  settings.floor = 1;
  settings.total = std::max(plan.layers(), plan.total(Phase::prefill));
  if (phase == Phase::decode) settings.decode_total = settings.total;
  Route route;
  try {
    route = make_route(*now.calibration, settings);
  } catch (const Error& error) {
    view.missing = error.what();
    return view;
  }
  int differ = 0;
  for (const RouteReason& reason : route.reasons) {
    if (reason.phase != phase || reason.layer >= plan.layers()) continue;
    Suggestion one;
    one.layer = reason.layer;
    one.policy = reason.policy;
    const Policy* policy = find_policy(reason.policy);
    if (policy) one.code = policy->code;
    one.sentence = with_minus(reason.sentence);
    const std::string& own = plan.of(phase)[static_cast<std::size_t>(reason.layer)].policy;
    one.agrees = own == reason.policy;
    one.near =
        !one.agrees && own_is_near(*now.calibration, find_measure(ui.tune.measure), reason, own);
    if (one.near) one.sentence += " " + own + " is as good within error.";
    one.locked = reason.layer < static_cast<int>(ui.band.locked.size()) &&
                 ui.band.locked[static_cast<std::size_t>(reason.layer)];
    differ += one.agrees ? 0 : 1;
    view.open += one.agrees || one.locked ? 0 : 1;
    view.layers.push_back(std::move(one));
  }
  view.note = differ == 0 ? "the plan agrees in every layer"
                          : format_count(differ) + " of " +
                                format_count(static_cast<int>(view.layers.size())) +
                                (view.layers.size() == 1 ? " layer differs" : " layers differ");
  view.note += ", n = " + format_count(now.calibration->n());
  if (now.calibration->n() < kFewCases) view.note += ", few cases: ranks may change";
  return view;
}

TuneModel condense_tune(const Snapshot& now, const Ui& ui) {
  return {condense_calibration(now, ui), condense_suggestions(now, ui), condense_search(now, ui),
          condense_audit(now, ui)};
}

void prepare_tune(const Snapshot& now, Ui& ui) {
  TuneKey key{now.calibration, now.search,           now.audit,     now.cases,
              now.heads,       ui.history.current(), ui.band.phase, ui.tune.measure,
              ui.tune.signal,  ui.tune.by_recall,    tuning(now),   ui.band.locked};
  if (ui.tune_model && ui.tune_key == key) return;
  ui.tune_model = std::make_shared<TuneModel>(condense_tune(now, ui));
  ui.tune_key = std::move(key);
}

}  // namespace polykv
