#include "views/frame.h"

#include <algorithm>
#include <utility>

#include "views/tune_model.h"

namespace polykv {

void post_plan(Frame& f) {
  ++f.ui.edit;
  f.out.push_back(ScorePlan{f.ui.history.current(), f.ui.edit});
}

const char* to_string(Pill pill) {
  switch (pill) {
    case Pill::none:
      return "none";
    case Pill::preview:
      return "preview";
    case Pill::queued:
      return "queued";
    case Pill::running:
      return "running";
    case Pill::exact:
      return "exact";
    case Pill::stale:
      return "stale";
  }
  return "none";
}

bool cuts_while_decoding(const Plan& plan) {
  const auto& layers = plan.of(Phase::decode);
  return std::any_of(layers.begin(), layers.end(),
                     [](const LayerChoice& layer) { return layer.policy != "full"; });
}

std::string plan_label(const Plan& plan) {
  const auto& layers = plan.of(Phase::prefill);
  int budgeted = 0;
  bool same_policy = true, same_budget = true;
  for (const LayerChoice& layer : layers) {
    budgeted += layer.budget ? 1 : 0;
    same_policy &= layer.policy == layers[0].policy && layer.params == layers[0].params;
    same_budget &= layer.budget == layers[0].budget;
  }
  const bool decodes = cuts_while_decoding(plan);
  if (layers.empty() || (budgeted == 0 && !decodes)) return "full";
  if (budgeted == 0) return "full " + plan_fingerprint(plan).substr(0, 4);
  const int mean = (plan.total(Phase::prefill) + budgeted / 2) / budgeted;
  const bool plain = same_policy && same_budget && layers[0].params.empty() && !decodes;
  if (plain) return layers[0].policy + ":" + std::to_string(mean);
  return (same_policy ? layers[0].policy : "mixed") + "-" + std::to_string(mean) + " " +
         plan_fingerprint(plan).substr(0, 4);
}

void edit_plan(Frame& f, Plan next) {
  const Plan& current = f.ui.history.current();
  // Dragged back to its start a plan has its old name again.
  if (!f.ui.history.dragging() || next != f.ui.band.before_drag) {
    Plan same = next;
    same.name = current.name;
    if (same == current) return;
    next.name = plan_label(next);
  }
  if (next == current) return;
  f.ui.history.apply(std::move(next));
  f.ui.message.clear();
  post_plan(f);
}

void begin_edit_drag(Frame& f) {
  f.ui.history.begin_drag();
  f.ui.band.drag_moved = true;
}

void end_edit_drag(Frame& f) {
  if (f.ui.history.dragging()) f.ui.history.end_drag();
  f.ui.band.dragging_layer = -1;
  f.ui.band.drag_moved = false;
  f.ui.band.scale_top = 0;
}

void cancel_edit_drag(Frame& f) {
  const bool was_dragging = f.ui.history.dragging();
  if (was_dragging) f.ui.history.cancel_drag();
  end_edit_drag(f);
  if (was_dragging) post_plan(f);
}

void step_plan(Frame& f, bool back) {
  PlanHistory& history = f.ui.history;
  if (history.dragging() || !(back ? history.can_undo() : history.can_redo())) return;
  back ? history.undo() : history.redo();
  post_plan(f);
}

void ask_model(Ui& ui, std::vector<Command>& out, const std::string& folder, bool shown) {
  OpeningUi next;
  next.request = ui.opening.request + 1;
  next.folder = folder;
  next.shown = shown;
  ui.opening = std::move(next);
  out.push_back(InspectModel{ui.opening.request, folder});
}

void ask_path(Ui& ui, std::vector<Command>& out, FileKind kind, const std::string& start) {
  ui.asking = {kind, start};
  ui.asking_starts = true;
  ui.asking_error.clear();
  ui.listed = start;
  if (kind == FileKind::open_model) out.push_back(ListFolders{start});
}

Pill pill_state(const Snapshot& now, const Ui& ui) {
  if (!now.model || ui.edit == 0) return now.work.kind == Work::idle ? Pill::none : Pill::running;
  if (ui.history.dragging()) return Pill::preview;
  // Another model or case set is on its way in: what is shown belongs to the old one.
  const bool opening = now.work.kind == Work::loading || now.work.kind == Work::prefill;
  if (opening) return now.scored ? Pill::stale : Pill::running;
  if (now.scored && now.scored_edit == ui.edit) return Pill::exact;
  if (now.running_edit == ui.edit) return Pill::running;
  // The worker gave up on this plan: its error is in the log, what is shown is older.
  const bool gave_up = now.work.kind == Work::idle && now.scored && !now.log.empty() &&
                       now.log.back().kind == LogLine::Kind::error;
  return gave_up ? Pill::stale : Pill::queued;
}

void prepare_frame(const Snapshot& now, Ui& ui) {
  const Plan& plan = ui.history.current();
  if (!now.proxy || static_cast<int>(now.proxy->choices.size()) != plan.layers()) {
    ui.proxy = {};
    ui.proxy_key = {};
  } else if (ui.proxy_key.data != now.proxy || ui.proxy_key.case_index != ui.selected.case_index ||
             ui.proxy_key.plan != plan) {
    ui.proxy = preview_cut(*now.proxy, plan, ui.selected.case_index);
    ui.proxy_key = {now.proxy, plan, ui.selected.case_index};
  }
  ui.pill = pill_state(now, ui);
  prepare_tune(now, ui);
}

}  // namespace polykv
