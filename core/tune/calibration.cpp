#include "core/tune/calibration.h"

#include <algorithm>

#include "core/error.h"
#include "core/policies/policy.h"
#include "core/suggest.h"

namespace polykv {
namespace {

// Words that calibration_signal takes beside the layer signals.
constexpr const char* kWorstNll = "worst_nll";
constexpr const char* kLeastNll = "least_nll";
constexpr const char* kAttention = "attention";

std::vector<double> extreme_nll(const Calibration& calibration, bool largest) {
  const auto nll = std::find_if(measures().begin(), measures().end(), [](const CellMeasure& row) {
    return row.value == &CellScores::nll_increase;
  });
  const std::vector<int> columns = calibration.columns_of(Phase::prefill);
  if (columns.empty()) {
    fail_input("calibration", "phases", "holds no prefill column, which this signal is made of");
  }
  std::vector<double> values;
  for (int l = 0; l < calibration.layers; ++l) {
    double extreme = calibration.cell(*nll, l, columns[0]).mean;
    for (const int column : columns) {
      const double mean = calibration.cell(*nll, l, column).mean;
      extreme = largest ? std::max(extreme, mean) : std::min(extreme, mean);
    }
    values.push_back(std::max(0.0, extreme));
  }
  return values;
}

std::vector<double> means_of(const Calibration& calibration, const std::string& id) {
  std::vector<double> values;
  for (int l = 0; l < calibration.layers; ++l) values.push_back(calibration.signal(id, l).mean);
  return values;
}

}  // namespace

std::span<const CellMeasure> measures() {
  static constexpr CellMeasure table[] = {
      {"cosine", "of the attention block's output with the full cache's", &CellScores::cosine,
       true},
      {"residual_cosine", "of the layer's output with the full cache's",
       &CellScores::residual_cosine, true},
      {"nll_increase", "nats per gold answer token above the full cache", &CellScores::nll_increase,
       false},
      {"recall_change", "right answers gained or lost, per case", &CellScores::recall_change, true},
      {"eviction_error", "relative change of the attention block's output",
       &CellScores::eviction_error, false},
      {"kept_mass", "share of the full cache's attention that stays", &CellScores::kept_mass, true},
  };
  return table;
}

std::vector<CalibrationColumn> columns_of_settings(const CalibrationSettings& settings) {
  std::vector<CalibrationColumn> columns;
  for (const Phase phase : settings.phases) {
    const unsigned mask = phase == Phase::prefill ? kPrefill : kDecode;
    for (const std::string& id : settings.policies) {
      const Policy* policy = find_policy(id);
      if (policy && (policy->phases & mask)) columns.push_back({phase, id});
    }
  }
  return columns;
}

bool Calibration::complete() const {
  int wanted = 0;
  for (int i = 0; i < case_count; ++i) wanted += shard.holds(i);
  return n() == wanted;
}

MeanError Calibration::cell(const CellMeasure& measure, int layer, int column) const {
  std::vector<double> values;
  values.reserve(cases.size());
  const auto at = static_cast<std::size_t>(layer) * columns.size() + column;
  for (const CaseCalibration& each : cases) values.push_back(each.cells.at(at).*measure.value);
  return mean_and_error(values);
}

MeanError Calibration::signal(const std::string& id, int layer) const {
  const auto row = std::find(signal_ids.begin(), signal_ids.end(), id);
  if (row == signal_ids.end()) fail_input("calibration", "signals", "holds no '" + id + "'");
  std::vector<double> values;
  for (const CaseCalibration& each : cases) {
    values.push_back(each.signals.at(row - signal_ids.begin()).at(layer));
  }
  return mean_and_error(values);
}

std::vector<int> Calibration::columns_of(Phase phase) const {
  std::vector<int> found;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c].phase == phase) found.push_back(static_cast<int>(c));
  }
  return found;
}

std::string calibration_difference(const Calibration& have, const Calibration& like) {
  const auto differs = [](const std::string& what, const std::string& of,
                          const std::string& expected) {
    return what + " is " + of + ", expected " + expected;
  };
  if (have.model_fingerprint != like.model_fingerprint) {
    return "it was measured on another model: " +
           differs("its fingerprint", have.model_fingerprint, like.model_fingerprint);
  }
  if (have.heads_fingerprint != like.heads_fingerprint) {
    return "it was measured with another head list: " +
           differs("its fingerprint", have.heads_fingerprint, like.heads_fingerprint);
  }
  if (have.cases_fingerprint != like.cases_fingerprint) {
    return "it was measured on another case set: " +
           differs("its fingerprint", have.cases_fingerprint, like.cases_fingerprint) + " (" +
           std::to_string(have.case_count) + " cases, not " + std::to_string(like.case_count) + ")";
  }
  const CalibrationSettings &a = have.settings, &b = like.settings;
  if (a.query != b.query) return differs("its query", to_string(a.query), to_string(b.query));
  if (a.budget != b.budget) {
    return differs("its budget", std::to_string(a.budget), std::to_string(b.budget));
  }
  if (a.seed != b.seed) return differs("its seed", std::to_string(a.seed), std::to_string(b.seed));
  if (have.columns != like.columns) return "it was measured with other policies or phases";
  if (!(a.signal_cut == b.signal_cut)) return "its layer signals look at another cut";
  if (have.layers != like.layers || have.signal_ids != like.signal_ids) {
    return "it holds other layers or signals";
  }
  return "";
}

Calibration merge_calibrations(const std::vector<Calibration>& parts,
                               const std::vector<std::string>& origins) {
  std::vector<Shard> shards;
  for (const Calibration& part : parts) shards.push_back(part.shard);
  check_shards(shards, origins);
  Calibration all = parts[0];
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const std::string difference = calibration_difference(parts[p], parts[0]);
    if (!difference.empty()) {
      fail_input(origins[p], "", "does not belong to " + origins[0] + ": " + difference);
    }
    if (!parts[p].complete()) {
      fail_input(origins[p], "cases",
                 "only " + std::to_string(parts[p].n()) +
                     " cases of its part are done; the command that wrote it goes on");
    }
    if (p > 0) all.cases.insert(all.cases.end(), parts[p].cases.begin(), parts[p].cases.end());
  }
  all.shard = {};
  std::sort(all.cases.begin(), all.cases.end(),
            [](const CaseCalibration& a, const CaseCalibration& b) { return a.index < b.index; });
  return all;
}

std::vector<std::string> calibration_signal_ids(const Calibration& calibration) {
  std::vector<std::string> known = calibration.signal_ids;
  known.insert(known.end(), {kWorstNll, kLeastNll, kAttention});
  return known;
}

Signal calibration_signal(const Calibration& calibration, const std::string& id) {
  if (calibration.cases.empty()) {
    fail_input("calibration", "cases", "holds no case yet, so there is nothing to share by");
  }
  if (id == kWorstNll || id == kLeastNll) return extreme_nll(calibration, id == kWorstNll);
  if (id == kAttention) {
    Signal signal(means_of(calibration, "cake_entropy"));
    signal.variance = means_of(calibration, "temporal_variance");
    return signal;
  }
  const std::vector<std::string> known = calibration_signal_ids(calibration);
  if (std::find(known.begin(), known.end(), id) == known.end()) {
    const std::string nearest = nearest_word(id, known);
    std::string hint;
    for (const std::string& word : known) hint += (hint.empty() ? "known are " : ", ") + word;
    if (!nearest.empty()) hint = "nearest is '" + nearest + "'";
    fail_input("calibration", "", "signal '" + id + "' is unknown, " + hint);
  }
  return means_of(calibration, id);
}

}  // namespace polykv
