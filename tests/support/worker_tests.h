#pragma once
#include <string>

#include "core/worker/worker.h"

namespace polykv {

// A worker with a small case set of the embedded model, ready to score.
inline void open_small(Worker& worker) {
  worker.post(OpenModel{std::string(POLYKV_SOURCE) + "/assets/tiny-needle"});
  MakeCases make;
  make.count = 2;
  make.like.context_tokens = 120;
  make.like.keys = 2;
  worker.post(make);
  worker.wait_idle();
}

inline ScorePlan plan_with(int layer, int budget, std::uint64_t edit) {
  ScorePlan command;
  command.plan = uniform_plan("snapkv", 32, 6, QueryVisibility::agnostic);
  command.plan.of(Phase::prefill)[layer].budget = budget;
  command.edit = edit;
  return command;
}

}  // namespace polykv
