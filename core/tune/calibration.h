#pragma once
// What disturbing one layer in one phase by one policy does, measured over cases: the table that
// routes are made from (PolyKV, arXiv 2606.15157). File "polykv-calibration/1". Plain.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/budgets/signal.h"
#include "core/plan/plan.h"
#include "core/score/stats.h"
#include "core/shard.h"

namespace polykv {

// One layer, phase, policy and case; everything else has the full cache. Means over the tokens that
// come after the cut: question and answer, or the answer alone where the cut sees the question or
// happens while decoding.
struct CellScores {
  double cosine = 1;           // of the attention block's output with the full cache's
  double residual_cosine = 1;  // of the layer's output with the full cache's
  double nll_increase = 0;     // nats per gold answer token
  double recall_change = 0;    // 1, 0 or -1: the answer became right, stayed, became wrong
  double eviction_error = 0;   // ||O' - O|| / (||O|| + 1e-6) of the attention block's output
  double kept_mass = 1;        // share of the full cache's attention that stays
  bool operator==(const CellScores&) const = default;
};
struct CellMeasure {  // one row
  const char *id, *summary;
  double CellScores::*value;
  bool more_is_better;
};
std::span<const CellMeasure> measures();

struct CalibrationSettings {
  QueryVisibility query = QueryVisibility::agnostic;
  int budget = 64;                    // tokens per kv head of the disturbed layer, in either phase
  std::vector<std::string> policies;  // with default parameters
  std::vector<Phase> phases = {Phase::prefill, Phase::decode};
  std::uint64_t seed = 0;
  LayerChoice signal_cut;  // of the layer signals that look at a cut
};

struct CalibrationColumn {
  Phase phase = Phase::prefill;
  std::string policy;
  bool operator==(const CalibrationColumn&) const = default;
};

struct CaseCalibration {
  int index = 0;                             // in the whole case set
  std::vector<std::vector<double>> signals;  // [row of layer_signals()][layer]
  std::vector<CellScores> cells;             // [layer * columns + column]
  bool operator==(const CaseCalibration&) const = default;
};

struct Calibration {
  // What it belongs to; another model, head list or case set is refused.
  std::string model, model_fingerprint, heads_fingerprint, cases_fingerprint;
  int layers = 0, kv_heads = 0, case_count = 0;  // case_count: of the whole set
  CalibrationSettings settings;
  std::vector<CalibrationColumn> columns;  // policy by policy within a phase
  std::vector<std::string> signal_ids;
  Shard shard;
  std::vector<CaseCalibration> cases;  // done so far, ascending

  int n() const { return static_cast<int>(cases.size()); }
  bool complete() const;  // every case of its shard is done
  MeanError cell(const CellMeasure& measure, int layer, int column) const;
  MeanError signal(const std::string& id, int layer) const;  // throws for an unknown id
  std::vector<int> columns_of(Phase phase) const;            // indices
};

// The columns that the settings ask for: policy by policy within a phase, where it can work in it.
std::vector<CalibrationColumn> columns_of_settings(const CalibrationSettings& settings);

// The sentence that says what differs when a calibration does not belong to what `like` describes
// (model, heads, cases, settings, columns); "" when it does. Cases done and shard do not count.
std::string calibration_difference(const Calibration& have, const Calibration& like);

// Text of the file: the summary table, and the numbers case by case that it is made of.
std::string calibration_json(const Calibration& calibration);
// Throws an input Error naming file and key for what is not such a file.
Calibration parse_calibration(const std::string& text, const std::string& origin);
Calibration read_calibration(const std::string& path);
void write_calibration(const std::string& path, const Calibration& calibration);  // atomic

// All shards of one calibration become the calibration that a single run gives. Throws an input
// Error naming the file that does not belong, is incomplete, is there twice or is missing.
Calibration merge_calibrations(const std::vector<Calibration>& parts,
                               const std::vector<std::string>& origins);

// What allocators share by: the means of a layer signal, or of `worst_nll` / `least_nll`, the
// largest / smallest NLL increase (at least 0) over the prefill policies. "attention": what `cake`
// reads. Throws an input Error with the known words.
Signal calibration_signal(const Calibration& calibration, const std::string& id);
std::vector<std::string> calibration_signal_ids(const Calibration& calibration);

}  // namespace polykv
