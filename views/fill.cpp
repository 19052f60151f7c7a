// Fill by allocator: at once, or when the worker has measured what the allocator reads.
#include <algorithm>
#include <optional>

#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/signals/layer_signals.h"
#include "views/layers_model.h"

namespace polykv {
namespace {

// What the calibration of these cases holds of it; none when it was measured for another query.
std::optional<Signal> calibrated(const Frame& f, const std::string& source) {
  const Calibration* known = f.now.calibration.get();
  if (!known || known->n() == 0 || known->settings.query != f.ui.history.current().query)
    return std::nullopt;
  const std::vector<std::string> ids = calibration_signal_ids(*known);
  if (std::find(ids.begin(), ids.end(), source) == ids.end()) return std::nullopt;
  return calibration_signal(*known, source);
}

void apply(Frame& f, const Allocator& allocator, const Signal& signal, const std::string& measured,
           Phase phase) {
  EditRules rules = band_rules(f.now, f.ui);
  rules.phase = phase;
  rules.cap = phase_tokens(f.now, f.ui.history.current(), phase);
  try {
    edit_plan(f, with_allocator(f.ui.history.current(), allocator, signal, rules));
    f.ui.message = std::string("Filled by ") + allocator.id + measured + ".";
    f.ui.message_is_error = false;
  } catch (const Error& error) {
    f.ui.message = error.what();
    f.ui.message_is_error = true;
  }
}

std::string measured_words(const std::string& source, int cases) {
  return ", " + source + " of " + std::to_string(cases) + (cases == 1 ? " case" : " cases");
}

}  // namespace

void fill_budgets(Frame& f, const std::string& allocator, const std::string& signal) {
  const Allocator& row = find_allocator(allocator);
  const Phase phase = f.ui.band.phase;
  const std::string source = signal.empty() ? signal_source(row) : signal;
  f.ui.fill.allocator.clear();
  if (source.empty()) return apply(f, row, {}, "", phase);
  const QueryVisibility query = f.ui.history.current().query;
  const std::optional<Signal> held = calibrated(f, source);
  // Curves and scores are not in a calibration.
  if (held && (row.needs & ~(kValues | kVariance)) == 0)
    return apply(f, row, *held, measured_words(source, f.now.calibration->n()), phase);
  if (!signal.empty()) {
    f.ui.message = "The calibration holds no " + signal + " for this query: calibrate again.";
    f.ui.message_is_error = true;
    return;
  }
  const SignalAnswer* known = f.now.signal.get();
  if (known && known->source == source && known->query == query)
    return apply(f, row, known->signal, measured_words(known->source, known->cases), phase);
  f.ui.fill = {f.ui.fill.request + 1, allocator, phase};
  f.out.push_back(MeasureSignal{f.ui.fill.request, source, query});
}

void meet_signal(Frame& f) {
  FillUi& fill = f.ui.fill;
  if (fill.allocator.empty() || !f.now.signal || f.now.signal->request != fill.request ||
      f.ui.history.dragging())
    return;
  const std::string allocator = std::move(fill.allocator);
  fill.allocator.clear();
  apply(f, find_allocator(allocator), f.now.signal->signal,
        measured_words(f.now.signal->source, f.now.signal->cases), fill.phase);
}

}  // namespace polykv
