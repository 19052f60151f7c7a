#include "core/signals/layer_signals.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/budgets/allocator.h"
#include "core/cache/attend.h"
#include "core/cache/kv_cache.h"
#include "core/cache/layer_view.h"
#include "core/error.h"
#include "core/score/stats.h"
#include "core/signals/output_error.h"
#include "core/signals/window_attention.h"
#include "core/suggest.h"

namespace polykv {
namespace {

using Settings = SignalSettings;

double mean_of(const at::Tensor& numbers) { return numbers.mean().item<double>(); }

double entropy(const Model& m, const CaseState& c, int layer, const Settings& s) {
  const at::Tensor attention = window_attention(m.decoder(), c, layer, s);
  const std::int64_t window = attention.size(1), tokens = attention.size(2);
  // Keys that each query sees; a single one leaves no entropy.
  at::Tensor seen = at::arange(tokens - window + 1, tokens + 1, at::kFloat);
  if (const int sliding = m.config().windows[layer]; sliding > 0) seen.clamp_max_(sliding);
  return mean_of(row_entropy(attention) / seen.clamp_min_(2).log());
}

double effective_tokens(const Model& m, const CaseState& c, int layer, const Settings& s) {
  return mean_of(row_entropy(window_attention(m.decoder(), c, layer, s)).exp());
}

// Mass of the best 1, 2, ... tokens per query head, mean over the window: (query_heads, tokens).
at::Tensor mass_curves(const at::Tensor& attention) {
  const at::Tensor mean = attention.mean(1);
  return std::get<0>(mean.sort(-1, /*descending=*/true)).to(at::kDouble).cumsum(-1);
}

double tokens_for_mass(const Model& m, const CaseState& c, int layer, const Settings& s) {
  const at::Tensor curves = mass_curves(window_attention(m.decoder(), c, layer, s));
  const at::Tensor enough = curves.select(1, curves.size(1) - 1).unsqueeze(1) * s.tau;
  const at::Tensor missing = (curves < enough).sum(-1);
  return mean_of((missing + 1).clamp_max(curves.size(1)).to(at::kDouble));
}

double sink_mass(const Model& m, const CaseState& c, int layer, const Settings& s) {
  const at::Tensor attention = window_attention(m.decoder(), c, layer, s);
  const auto count = std::min<std::int64_t>(s.sink, attention.size(2));
  return mean_of(attention.narrow(2, 0, count).sum(-1));
}

double recent_mass(const Model& m, const CaseState& c, int layer, const Settings& s) {
  const at::Tensor attention = window_attention(m.decoder(), c, layer, s);
  const auto count = std::min<std::int64_t>(s.recent, attention.size(2));
  return mean_of(attention.narrow(2, attention.size(2) - count, count).sum(-1));
}

double cake_entropy(const Model& m, const CaseState& c, int layer, const Settings& s) {
  return spatial_entropy(window_attention(m.decoder(), c, layer, s));
}

double cake_variance(const Model& m, const CaseState& c, int layer, const Settings& s) {
  return temporal_variance(window_attention(m.decoder(), c, layer, s));
}

double attention_cosine(const Model& m, const CaseState& c, int layer, const Settings& s) {
  const LayerState& full = c.full.layers[layer];
  const int tokens = c.cut_tokens(s.query), window = std::min(s.window, tokens);
  const at::Tensor mixed =
      attend(stored_queries(m.decoder(), full, layer, tokens - window, tokens),
             full.k.narrow(1, 0, tokens), full.v.narrow(1, 0, tokens), m.config().windows[layer]);
  const at::Tensor before = full.x.narrow(0, tokens - window, window);
  return mean_of(
      at::cosine_similarity(before, before + m.decoder().attention_output(layer, mixed), 1));
}

// What the settings' cut keeps: everything in a layer with a sliding window, which no plan changes.
Kept kept_by_cut(const Model& m, const CaseState& c, int layer, const Settings& s) {
  if (m.config().windows[layer] > 0) return {};
  const int tokens = c.cut_tokens(s.query);
  return cut_layer(m, c.full.layers[layer], layer, tokens, s.cut, s.seed,
                   case_repeat(m, c, layer, tokens))
      .kept;
}

double mass_evicted(const Model& m, const CaseState& c, int layer, const Settings& s) {
  return evicted_mass(c, layer, c.cut_tokens(s.query), kept_by_cut(m, c, layer, s));
}

double output_error(const Model& m, const CaseState& c, int layer, const Settings& s) {
  const int cut = c.cut_tokens(s.query);
  const std::vector<double> steps =
      output_errors(m.decoder(), c.full.layers[layer], layer, cut, kept_by_cut(m, c, layer, s));
  if (steps.empty()) {
    fail_input("", "cases", "an answer of one token leaves no step that reads the cut cache");
  }
  const double sum = std::accumulate(steps.begin(), steps.end(), 0.0);
  return s.sum_steps ? sum : sum / static_cast<double>(steps.size());
}

// Calls `visit` with every case after its full-cache run and every layer of it.
template <class Visit>
void for_each_layer(const Model& model, const std::vector<Case>& cases, const Progress& progress,
                    const CancelFlag* cancel, Visit visit) {
  const at::InferenceMode guard;
  if (cases.empty()) fail_input("", "cases", "the case set is empty, expected at least one case");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (progress) {
      progress(double(i) / double(cases.size()),
               "measuring case " + std::to_string(i + 1) + " of " + std::to_string(cases.size()));
    }
    const CaseState state = prefill_case(model.decoder(), cases[i], cancel);
    for (int l = 0; l < model.shape().layers; ++l) {
      stop_if(cancel);
      visit(state, l);
    }
  }
}

// Adds a curve to a sum of curves; the shorter one stays at its last value.
void add_curve(std::vector<double>& sum, const double* curve, std::size_t count) {
  if (sum.empty()) sum.assign(1, 0);  // no tokens, no mass
  if (sum.size() < count + 1) sum.resize(count + 1, sum.back());
  for (std::size_t t = 1; t < sum.size(); ++t) sum[t] += curve[std::min(t, count) - 1];
}

}  // namespace

SignalSettings::SignalSettings() {
  cut.policy = "snapkv";
  cut.budget = 32;
}

std::span<const LayerSignal> layer_signals() {
  static const LayerSignal table[] = {
      {"entropy", "entropy of the window's attention over that of an even one", false, entropy},
      {"effective_tokens", "exp of that entropy: tokens that even attention would have", false,
       effective_tokens},
      {"tokens_for_mass", "tokens that hold 90% of the window's attention", false, tokens_for_mass},
      {"sink_mass", "the window's attention on the first 4 tokens", false, sink_mass},
      {"recent_mass", "the window's attention on the last 64 tokens", false, recent_mass},
      {"cake_entropy", "CAKE's entropy: of the attention before the window", false, cake_entropy},
      {"temporal_variance", "CAKE's variance of that attention over the window's queries", false,
       cake_variance},
      {"attention_cosine", "cosine of the hidden state before and after the attention block", false,
       attention_cosine},
      {"evicted_mass", "later attention on what the cut evicts", false, mass_evicted},
      {"output_error", "CompressKV's error: relative change of the attention output by the cut",
       true, output_error},
  };
  return table;
}

const LayerSignal& find_layer_signal(const std::string& id) {
  std::vector<std::string> known;
  for (const LayerSignal& row : layer_signals()) {
    if (id == row.id) return row;
    known.push_back(row.id);
  }
  const std::string nearest = nearest_word(id, known);
  std::string hint;
  for (const std::string& word : known) hint += (hint.empty() ? "known are " : ", ") + word;
  if (!nearest.empty()) hint = "nearest is '" + nearest + "'";
  fail_input("", "", "signal '" + id + "' is unknown, " + hint);
}

std::vector<MeasuredSignal> measure_signals(const Model& model, const std::vector<Case>& cases,
                                            const std::vector<std::string>& ids,
                                            const SignalSettings& settings,
                                            const Progress& progress, const CancelFlag* cancel) {
  std::vector<const LayerSignal*> rows;
  for (const std::string& id : ids) rows.push_back(&find_layer_signal(id));
  // [signal][layer][case]
  std::vector<std::vector<std::vector<double>>> values(
      ids.size(), std::vector<std::vector<double>>(model.shape().layers));
  for_each_layer(model, cases, progress, cancel, [&](const CaseState& state, int layer) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      values[i][layer].push_back(rows[i]->of_layer(model, state, layer, settings));
    }
  });
  std::vector<MeasuredSignal> measured;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    MeasuredSignal signal{ids[i], {}, {}, static_cast<int>(cases.size())};
    for (const std::vector<double>& layer : values[i]) {
      const MeanError of_layer = mean_and_error(layer);
      signal.mean.push_back(of_layer.mean);
      signal.standard_error.push_back(of_layer.error);
    }
    const double sum = std::accumulate(signal.mean.begin(), signal.mean.end(), 0.0);
    if (rows[i]->sums_to_one && sum > 0) {
      for (double& mean : signal.mean) mean /= sum;
      for (double& error : signal.standard_error) error /= sum;
    }
    measured.push_back(std::move(signal));
  }
  return measured;
}

Signal measure_attention(const Model& model, const std::vector<Case>& cases,
                         const SignalSettings& settings, const Progress& progress,
                         const CancelFlag* cancel) {
  const ModelShape& s = model.shape();
  Signal signal;
  signal.values.assign(s.layers, 0);
  signal.variance.assign(s.layers, 0);
  signal.curves.assign(s.layers, Signal::Rows(s.query_heads));
  signal.scores.resize(s.layers);
  const auto n = static_cast<double>(cases.size());
  for_each_layer(model, cases, progress, cancel, [&](const CaseState& state, int layer) {
    const at::Tensor attention = window_attention(model.decoder(), state, layer, settings);
    signal.values[layer] += spatial_entropy(attention) / n;
    signal.variance[layer] += temporal_variance(attention) / n;
    const std::int64_t tokens = attention.size(2);
    const at::Tensor curves = mass_curves(attention).contiguous();
    for (int head = 0; head < s.query_heads; ++head) {
      add_curve(signal.curves[layer][head], curves.data_ptr<double>() + head * tokens,
                static_cast<std::size_t>(tokens));
    }
    const at::Tensor scores = attention.mean(1)
                                  .view({s.kv_heads, s.query_heads / s.kv_heads, tokens})
                                  .mean(1)
                                  .to(at::kDouble)
                                  .contiguous();
    for (int head = 0; head < s.kv_heads; ++head) {
      const double* row = scores.data_ptr<double>() + head * tokens;
      signal.scores[layer].emplace_back(row, row + tokens);
    }
  });
  for (Signal::Rows& rows : signal.curves) {
    for (std::vector<double>& row : rows) {
      for (double& mass : row) mass /= n;
    }
  }
  return signal;
}

std::string signal_source(const Allocator& allocator) {
  if (allocator.needs == kNoPart) return "";
  // CompressKV's error has a signal of its own.
  return allocator.id == std::string("error") ? "output_error" : "attention";
}

Signal measure_signal(const Model& model, const std::vector<Case>& cases, const std::string& source,
                      const SignalSettings& settings, const Progress& progress,
                      const CancelFlag* cancel) {
  if (source == "attention") return measure_attention(model, cases, settings, progress, cancel);
  return measure_signals(model, cases, {source}, settings, progress, cancel)[0].mean;
}

}  // namespace polykv
