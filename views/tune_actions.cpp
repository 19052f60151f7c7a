// What the tune panel and the Tune menu ask of the worker, and what they do to the plan.
#include "views/layers_model.h"
#include "views/tune_model.h"

namespace polykv {
namespace {

void show(Frame& f, TunePart part) {
  f.ui.lower_tab = 2;
  f.ui.tune.part = part;
}

void start(Frame& f, TunePart part, Command command) {
  show(f, part);
  f.ui.tune.job = part;
  f.ui.message.clear();
  f.out.push_back(std::move(command));
}

void say(Frame& f, const std::string& text, bool error = false) {
  f.ui.message = text;
  f.ui.message_is_error = error;
}

}  // namespace

void start_calibration(Frame& f) {
  if (!f.now.cases) return;
  start(f, TunePart::calibration,
        CalibratePlan{f.ui.history.current().query, calibration_budget(f.ui), {}});
}

void start_search(Frame& f) {
  if (!condense_search(f.now, f.ui).missing.empty()) return show(f, TunePart::search);
  const TuneUi& ui = f.ui.tune;
  SearchPlan search;
  search.request = ++f.ui.tune.request;
  search.start = f.ui.history.current();
  search.settings.evaluations = ui.evaluations;
  search.settings.seconds = ui.seconds;
  search.settings.objective = ui.objective;
  search.settings.locked = f.ui.band.locked;
  search.settings.cap = cut_tokens(f.now, search.start);
  search.swaps = ui.swaps;
  f.ui.tune.list_steps = false;
  start(f, TunePart::search, std::move(search));
}

void start_audit(Frame& f) {
  if (!condense_audit(f.now, f.ui).missing.empty()) return show(f, TunePart::audit);
  AuditPlan audit;
  audit.request = ++f.ui.tune.request;
  audit.plan = f.ui.history.current();
  audit.permutations = f.ui.tune.placements;
  start(f, TunePart::audit, std::move(audit));
}

void give_policy(Frame& f, int layer, const std::string& policy) {
  const EditRules rules = band_rules(f.now, f.ui);
  if (layer < static_cast<int>(rules.locked.size()) &&
      rules.locked[static_cast<std::size_t>(layer)])
    return say(f, "Layer " + std::to_string(layer) + " is locked: L unlocks it.", true);
  edit_plan(f, with_policy(f.ui.history.current(), layer, policy, rules));
}

void apply_suggestions(Frame& f) {
  show(f, TunePart::suggestions);
  const SuggestView view = condense_suggestions(f.now, f.ui);
  if (!view.missing.empty()) return;
  const EditRules rules = band_rules(f.now, f.ui);
  Plan next = f.ui.history.current();
  for (const Suggestion& one : view.layers)
    if (!one.agrees && !one.locked) next = with_policy(next, one.layer, one.policy, rules);
  edit_plan(f, std::move(next));
}

void apply_best(Frame& f) {
  if (!f.now.search || f.now.search->result.steps.empty()) return;
  const Plan& best = f.now.search->result.best().plan;
  if (best.layers() != f.ui.history.current().layers()) return;
  edit_plan(f, best);
}

}  // namespace polykv
