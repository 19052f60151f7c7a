#pragma once
// Measures a calibration from stored full-cache runs. Plain header.
#include <functional>
#include <string>
#include <vector>

#include "core/model/model.h"
#include "core/probe/case.h"
#include "core/tune/calibration.h"

namespace polykv {

// The policies a calibration looks at when none are named: every one that keeps exactly its budget,
// reads the prompt once and runs with what the model has.
std::vector<std::string> usual_policies(const Model& model);

// "sha256:..." of the model's head list; "" without one.
std::string heads_fingerprint(const Model& model);

// An empty calibration of this model and case set: what calibrate fills. Throws an input Error for
// an unknown policy, one that needs what is not there, and a budget below 1.
Calibration plan_calibration(const Model& model, const std::vector<Case>& cases,
                             CalibrationSettings settings, const Shard& shard = {});

// What a run took, and what evaluating the same cells in full would take: prompt, question and
// answer from scratch for every layer, phase and policy (median of some of the cases, full
// cache).
struct CalibrationCost {
  int cases = 0;  // measured by this run
  double seconds = 0, full_evaluation_seconds = 0;
  double full_evaluations = 0;  // layers x columns x cases
  double share() const { return seconds / (full_evaluations * full_evaluation_seconds); }
};

// Measures what of the shard's cases is not there yet, one after another; `done` is called after
// each and may save. Throws Cancelled between layers; what is in the calibration then stays usable.
CalibrationCost calibrate(const Model& model, const std::vector<Case>& cases,
                          Calibration& calibration, const Progress& progress = {},
                          const CancelFlag* cancel = nullptr,
                          const std::function<void(const Calibration&)>& done = {});

}  // namespace polykv
