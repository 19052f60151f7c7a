#pragma once
// Layer signals: what full-cache runs of cases say about the layers of a model. Plain header.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/budgets/signal.h"
#include "core/model/model.h"
#include "core/plan/plan.h"
#include "core/probe/case.h"

namespace polykv {

struct Allocator;  // core/budgets/allocator.h
struct CaseState;  // core/score/case_state.h

struct SignalSettings {
  QueryVisibility query = QueryVisibility::agnostic;  // what the cache holds at the cut
  int window = 32;         // last queries before the cut whose attention is read
  double tau = 0.9;        // of tokens_for_mass
  int sink = 4;            // first tokens, of sink_mass
  int recent = 64;         // last tokens, of recent_mass
  LayerChoice cut;         // of evicted_mass and output_error: policy and budget
  bool sum_steps = false;  // output_error: sum over the steps instead of their mean
  std::uint64_t seed = 0;  // of the cut's policy

  SignalSettings();  // cut: snapkv with 32 tokens
};

struct LayerSignal {  // one row
  const char *id, *summary;
  bool sums_to_one;  // the mean over the cases is divided by its sum over the layers
  // The number of one layer in one case.
  double (*of_layer)(const Model& model, const CaseState& state, int layer,
                     const SignalSettings& settings);
};

std::span<const LayerSignal> layer_signals();
const LayerSignal& find_layer_signal(const std::string& id);  // throws with the nearest known id

struct MeasuredSignal {
  std::string id;
  std::vector<double> mean, standard_error;  // per layer, over the cases; NaN error for one case
  int n = 0;                                 // cases
};

// Measures several signals in one pass, one case in memory at a time. Throws Cancelled between
// layers, and an input Error for unknown ids, an empty case set or cases that do not fit.
std::vector<MeasuredSignal> measure_signals(const Model& model, const std::vector<Case>& cases,
                                            const std::vector<std::string>& ids,
                                            const SignalSettings& settings,
                                            const Progress& progress = {},
                                            const CancelFlag* cancel = nullptr);

// All parts of a Signal from the window attention A (query heads, window, tokens), mean over cases
// and heads: values = CAKE's entropy, sum of -A log A over keys before the window, per query;
// variance = temporal_variance; curves: mass of the best t tokens, per query head; scores: mean of
// A over window and group, a row per kv head and case. Throws as above.
Signal measure_attention(const Model& model, const std::vector<Case>& cases,
                         const SignalSettings& settings, const Progress& progress = {},
                         const CancelFlag* cancel = nullptr);

// What is measured for an allocator: a row of layer_signals(), "attention" = all parts of a Signal,
// or "" when it reads nothing.
std::string signal_source(const Allocator& allocator);
// Measures what signal_source names. Throws as above.
Signal measure_signal(const Model& model, const std::vector<Case>& cases, const std::string& source,
                      const SignalSettings& settings, const Progress& progress = {},
                      const CancelFlag* cancel = nullptr);

}  // namespace polykv
