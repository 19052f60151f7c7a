// Fill by allocator: at once, or when the worker has measured what the allocator reads.
#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/signals/layer_signals.h"
#include "views/layers_model.h"

namespace polykv {
namespace {

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

std::string measured_words(const SignalAnswer& answer) {
  return ", " + answer.source + " of " + std::to_string(answer.cases) +
         (answer.cases == 1 ? " case" : " cases");
}

}  // namespace

void fill_budgets(Frame& f, const std::string& allocator) {
  const Allocator& row = find_allocator(allocator);
  const Phase phase = f.ui.band.phase;
  const std::string source = signal_source(row);
  f.ui.fill.allocator.clear();
  if (source.empty()) return apply(f, row, {}, "", phase);
  const QueryVisibility query = f.ui.history.current().query;
  const SignalAnswer* known = f.now.signal.get();
  if (known && known->source == source && known->query == query)
    return apply(f, row, known->signal, measured_words(*known), phase);
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
  apply(f, find_allocator(allocator), f.now.signal->signal, measured_words(*f.now.signal),
        fill.phase);
}

}  // namespace polykv
