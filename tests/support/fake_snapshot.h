#pragma once
// Snapshots without a model: what a worker would publish, for tests of the window's panels.
#include <memory>
#include <string>

#include "core/worker/command.h"
#include "core/worker/snapshot.h"
#include "views/frame.h"

namespace polykv {

enum class Fake {
  empty,    // nothing opened yet
  loading,  // a model is on its way in
  ready,    // model and cases, no score yet
  busy,     // an older score is shown while edit 2 is running
  full,     // everything exact for edit 1
};

struct FakeShape {
  int layers = 6, heads = 8, kv_heads = 2, context = 948, cases = 16;
};

// `plan` is the plan the scores belong to; the kept rows follow its budgets.
Snapshot fake_snapshot(Fake kind, const Plan& plan, const FakeShape& shape = {});
// A mixed plan of 64 tokens per layer on average, budgets 40 / 104 / 96 / 56 / 48 / 40 and so on.
Plan fake_plan(int layers = 6);
// A Ui with the plan in hand, as edit 1.
Ui fake_ui(const Plan& plan);

}  // namespace polykv
