#pragma once
// Edits of a plan as pure functions, and the undo history the window keeps.
#include <optional>
#include <string>
#include <vector>

#include "core/plan/plan.h"

namespace polykv {

struct Allocator;  // core/budgets/allocator.h
struct Signal;     // core/budgets/signal.h

struct EditRules {
  Phase phase = Phase::prefill;
  bool keep_total = true;  // what one layer gains the unlocked others give, and the other way round
  std::vector<bool> locked;  // per layer; shorter = unlocked
  int floor = 1;             // smallest budget of a layer (tokens)
  int cap = 0;               // largest budget of a layer, usually the context length (tokens)
};

// Sets one layer's budget, clipped to [floor, cap] and, with keep_total, to what the unlocked
// layers can give or take; the difference is shared in proportion to their budgets (largest
// remainder, ties to the lower layer), so that the total is exactly the old one. `full` layers have
// no budget.
Plan with_budget(const Plan& plan, int layer, int budget, const EditRules& rules);

// Moves several layers by the same number of tokens, as far as all of them can go; the rest give or
// take as above. Locked and `full` layers stay.
Plan with_budgets_moved(const Plan& plan, const std::vector<int>& layers, int delta,
                        const EditRules& rules);

// Gives a layer another policy with default parameters. To `full`: the budget goes (and the total
// shrinks by it). From `full`: it gets the mean budget of the others; when all are full, its own
// budget of the other phase, or cap / 8.
Plan with_policy(const Plan& plan, int layer, const std::string& policy, const EditRules& rules);

// Sets one parameter of these layers in a phase; no value, or the default, takes it out of the
// plan. A layer whose policy has no parameter of that name stays; parameters that a new `inner`
// policy does not know go. Throws an input Error when the value does not fit its specification.
Plan with_param(const Plan& plan, Phase phase, const std::vector<int>& layers,
                const std::string& name, const std::optional<ParamValue>& value);

// A new total shared over the unlocked layers in proportion to what they have.
Plan with_total(const Plan& plan, int total, const EditRules& rules);

// Shares what the unlocked layers have by an allocator, within floor and cap: their total stays
// exactly. `full` and locked layers stay. The signal is one of all layers; an allocator that needs
// none takes an empty one. Throws an input Error as Allocator::share does, or when the signal has
// another number of layers than the plan.
Plan with_allocator(const Plan& plan, const Allocator& allocator, const Signal& signal,
                    const EditRules& rules, const Params& params = {});

// Unlimited undo and redo. One drag is one step: edits between begin_drag and end_drag replace
// each other.
class PlanHistory {
 public:
  explicit PlanHistory(Plan first = {}) : steps_{std::move(first)} {}
  const Plan& current() const { return drag_has_step_ ? drag_ : steps_[at_]; }
  // The plan before the drag, for edits that are computed afresh at every mouse position.
  const Plan& before_drag() const { return steps_[at_]; }
  void apply(Plan next);  // no step when nothing changed
  void begin_drag();
  void end_drag();
  void cancel_drag();  // back to the plan before the drag
  bool dragging() const { return dragging_; }
  bool can_undo() const { return at_ > 0; }
  bool can_redo() const { return at_ + 1 < steps_.size(); }
  void undo();
  void redo();

 private:
  std::vector<Plan> steps_;
  std::size_t at_ = 0;
  Plan drag_;  // the step a drag will make
  bool dragging_ = false, drag_has_step_ = false;
};

}  // namespace polykv
