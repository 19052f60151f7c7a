#include "core/tune/calibrate.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>

#include "core/cache/kv_cache.h"
#include "core/error.h"
#include "core/policies/policy.h"
#include "core/probe/head_list.h"
#include "core/sha256.h"
#include "core/signals/layer_signals.h"
#include "core/suggest.h"
#include "core/tune/disturb.h"

namespace polykv {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTimedCases = 8;  // most full evaluations that are timed

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_policy(const Model& model, const std::string& id) {
  const Policy* policy = find_policy(id);
  if (!policy || !policy->score) {
    std::vector<std::string> known = policy_ids();
    std::erase(known, "full");
    const std::string nearest = nearest_word(id, known);
    fail_input(
        "calibration", "policies",
        "'" + id + "' is unknown" + (nearest.empty() ? "" : ", nearest is '" + nearest + "'"));
  }
  if (policy->needs & kNeedsFile) {
    fail_input("calibration", "policies", id + " needs a file of its own and cannot be calibrated");
  }
  if ((policy->needs & kNeedsHeads) && !model.heads()) {
    fail_input("calibration", "policies", id + " needs a head list, and the model has none");
  }
}

// One case through the full cache from scratch: prompt, question and answer.
double full_evaluation_seconds(const Model& model, const Case& one, const CancelFlag* cancel) {
  const Clock::time_point start = Clock::now();
  KvCache cache(model, {}, static_cast<int>(one.question.size() + one.answer.size()));
  cache.prefill(one.context, cancel);
  std::vector<int> rest = one.question;
  rest.insert(rest.end(), one.answer.begin(), one.answer.end() - 1);
  model.decoder().logits(cache.run(rest, cancel));
  return seconds_since(start);
}

CaseCalibration measure_case(const Model& model, const Case& source, int index,
                             const Calibration& calibration, const CancelFlag* cancel) {
  const CalibrationSettings& settings = calibration.settings;
  CaseState state = prefill_case(model.decoder(), source, cancel);
  std::vector<Disturbance> disturbances;
  bool repeats = false;
  for (const CalibrationColumn& column : calibration.columns) {
    Disturbance one{column.phase, {}};
    one.choice.policy = column.policy;
    one.choice.budget = settings.budget;
    repeats = repeats || (find_policy(column.policy)->needs & kNeedsRepeat);
    disturbances.push_back(std::move(one));
  }
  SignalSettings of_signals;
  of_signals.query = settings.query;
  of_signals.seed = settings.seed;
  of_signals.cut = settings.signal_cut;

  CaseCalibration result;
  result.index = index;
  const int layers = model.shape().layers;
  const std::size_t columns = disturbances.size();
  result.signals.assign(calibration.signal_ids.size(), std::vector<double>(layers));
  result.cells.resize(columns * layers);
  const auto one_layer = [&](int layer) {
    for (std::size_t s = 0; s < calibration.signal_ids.size(); ++s) {
      result.signals[s][layer] = layer_signals()[s].of_layer(model, state, layer, of_signals);
    }
    const std::vector<CellScores> cells =
        disturb_layer(model, state, layer, settings.query, settings.seed, disturbances, cancel);
    std::copy(cells.begin(), cells.end(), result.cells.begin() + columns * layer);
  };
  if (repeats) {  // the second reading goes through the layers in turn
    for (int l = 0; l < layers; ++l) one_layer(l);
    return result;
  }
  // Layers side by side; low ones run through more later layers, so threads take them by turns.
  at::parallel_for(0, layers, 1, [&](std::int64_t begin, std::int64_t end) {
    const at::InferenceMode guard;  // thread-local
    for (std::int64_t i = begin; i < end; ++i) {
      const int half = (layers + 1) / 2, at = static_cast<int>(i);
      one_layer(at < half ? 2 * at : 2 * (at - half) + 1);
    }
  });
  return result;
}

}  // namespace

std::vector<std::string> usual_policies(const Model& model) {
  std::vector<std::string> ids;
  for (const Policy& policy : policies()) {
    if (!policy.score || (policy.needs & (kNeedsFile | kNeedsRepeat))) continue;
    if ((policy.needs & kNeedsHeads) && !model.heads()) continue;
    if (policy.own_count) continue;
    ids.emplace_back(policy.id);
  }
  return ids;
}

std::string heads_fingerprint(const Model& model) {
  return model.heads() ? "sha256:" + sha256_hex(heads_json(*model.heads())) : "";
}

Calibration plan_calibration(const Model& model, const std::vector<Case>& cases,
                             CalibrationSettings settings, const Shard& shard) {
  if (cases.empty()) fail_input("", "cases", "the case set is empty, expected at least one case");
  if (settings.budget < 1) fail_input("calibration", "budget", "expected at least 1");
  if (settings.policies.empty()) settings.policies = usual_policies(model);
  for (const std::string& id : settings.policies) check_policy(model, id);
  if (settings.signal_cut.policy == "full") {
    settings.signal_cut.policy = model.heads() ? "compresskv" : "snapkv";
    settings.signal_cut.budget = 32;  // as CompressKV measures its error
  }
  Calibration c;
  c.model = model.name();
  c.model_fingerprint = model.fingerprint();
  c.heads_fingerprint = heads_fingerprint(model);
  c.cases_fingerprint = case_set_fingerprint(cases);
  c.layers = model.shape().layers;
  c.kv_heads = model.shape().kv_heads;
  c.case_count = static_cast<int>(cases.size());
  c.columns = columns_of_settings(settings);
  if (c.columns.empty()) {
    fail_input("calibration", "policies", "none of them works in the phases asked for");
  }
  for (const LayerSignal& row : layer_signals()) c.signal_ids.emplace_back(row.id);
  c.settings = std::move(settings);
  c.shard = shard;
  return c;
}

CalibrationCost calibrate(const Model& model, const std::vector<Case>& cases,
                          Calibration& calibration, const Progress& progress,
                          const CancelFlag* cancel,
                          const std::function<void(const Calibration&)>& done) {
  const at::InferenceMode guard;
  std::vector<int> open;
  for (int i = 0; i < static_cast<int>(cases.size()); ++i) {
    const bool there = std::any_of(calibration.cases.begin(), calibration.cases.end(),
                                   [&](const CaseCalibration& one) { return one.index == i; });
    if (calibration.shard.holds(i) && !there) open.push_back(i);
  }
  CalibrationCost cost;
  if (open.empty()) return cost;
  // Full evaluations are timed all along the run: what else the machine does then slows both.
  const std::size_t stride = (open.size() + kTimedCases - 1) / kTimedCases;
  std::vector<double> timed;
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (progress) {
      progress(double(i) / double(open.size()),
               "calibrating case " + std::to_string(i + 1) + " of " + std::to_string(open.size()));
    }
    if (i % stride == 0) {
      timed.push_back(full_evaluation_seconds(model, cases[open[i]], cancel));
      std::sort(timed.begin(), timed.end());
      cost.full_evaluation_seconds = timed[(timed.size() - 1) / 2];
    }
    const Clock::time_point start = Clock::now();
    CaseCalibration one = measure_case(model, cases[open[i]], open[i], calibration, cancel);
    cost.seconds += seconds_since(start);
    ++cost.cases;
    cost.full_evaluations += double(calibration.layers) * double(calibration.columns.size());
    const auto place =
        std::find_if(calibration.cases.begin(), calibration.cases.end(),
                     [&](const CaseCalibration& each) { return each.index > one.index; });
    calibration.cases.insert(place, std::move(one));
    if (done) done(calibration);
  }
  return cost;
}

}  // namespace polykv
