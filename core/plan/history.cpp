#include "core/plan/edit.h"

namespace polykv {

void PlanHistory::apply(Plan next) {
  if (dragging_) {
    drag_has_step_ = next != steps_[at_];
    drag_ = std::move(next);
    return;
  }
  if (next == steps_[at_]) return;
  steps_.resize(at_ + 1);  // what was undone is gone
  steps_.push_back(std::move(next));
  ++at_;
}

void PlanHistory::begin_drag() {
  end_drag();
  dragging_ = true;
}

void PlanHistory::end_drag() {
  const bool has_step = drag_has_step_;
  dragging_ = drag_has_step_ = false;
  if (has_step) apply(std::move(drag_));
}

void PlanHistory::cancel_drag() { dragging_ = drag_has_step_ = false; }

void PlanHistory::undo() {
  // In the middle of a drag the last thing done is the drag.
  if (dragging_ && drag_has_step_) return cancel_drag();
  if (can_undo()) --at_;
}

void PlanHistory::redo() {
  if (!dragging_ && can_redo()) ++at_;
}

}  // namespace polykv
