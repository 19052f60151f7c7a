#pragma once
// A plan from a calibration: for every layer and phase the policy that disturbs it least. Plain.
#include <optional>
#include <string>
#include <vector>

#include "core/tune/calibration.h"

namespace polykv {

struct RouteSettings {
  std::string measure = "cosine";   // row of measures(), "nll" for nll_increase
  bool inverse = false;             // the worst policy instead, as a control
  int total = 0;                    // of the prefill budgets
  std::optional<int> decode_total;  // none = nothing is evicted while decoding
  std::string allocator = "uniform";
  std::string signal = "entropy";  // of calibration_signal, for allocators that need one
  std::optional<Signal> shares;    // instead of it; what curves and scores of tokens come from
  Params allocator_params;
  int floor = 16;  // fewest tokens of a layer, if the total allows it (PolyKV's b_min)
};

struct RouteReason {
  int layer = 0;
  Phase phase = Phase::prefill;
  std::string policy, runner_up;  // runner_up: empty with one candidate
  MeanError value, next;          // of both
  std::string
      sentence;  // "Layer 3 goes to compresskv: cosine 0.981 against 0.955 for snapkv, n = 64."
};

struct Route {
  Plan plan;
  std::vector<RouteReason> reasons;  // prefill layers, then decode layers
};

// Throws an input Error when the calibration holds no case, a total is too small, or a decode total
// is asked of a calibration without decode columns.
Route make_route(const Calibration& calibration, const RouteSettings& settings);

// The column of a phase with the best (or worst) mean in one layer, ties to the first; needs a
// column of that phase and a case.
int best_column(const Calibration& calibration, const CellMeasure& measure, bool inverse, int layer,
                Phase phase);

// The route at the totals of a plan: uniform budgets, decode only where the plan has decode caps.
Plan route_like(const Calibration& calibration, const Plan& plan, bool inverse);

// The measure by its id or short word; a usage Error with the nearest one else.
const CellMeasure& find_measure(const std::string& word);

}  // namespace polykv
