#pragma once
// One layer with its cache cut, everything else with the full cache, over the tokens behind the
// cut. Knows torch.
#include <ATen/ATen.h>

#include <vector>

#include "core/score/case_state.h"
#include "core/tune/calibration.h"

namespace polykv {

struct Disturbance {  // one way to cut one layer
  Phase phase = Phase::prefill;
  LayerChoice choice;
};

// The CellScores of every disturbance of one layer of a case. All of them go through the later
// layers as one batch. Throws as policy_scores does, and Cancelled between layers.
std::vector<CellScores> disturb_layer(const Model& model, CaseState& state, int layer,
                                      QueryVisibility query, std::uint64_t seed,
                                      const std::vector<Disturbance>& disturbances,
                                      const CancelFlag* cancel);

}  // namespace polykv
