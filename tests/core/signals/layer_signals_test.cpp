#include "core/signals/layer_signals.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "core/budgets/allocator.h"
#include "core/error.h"
#include "core/probe/needle.h"
#include "core/score/live_scorer.h"
#include "tests/core/signals/signal_cases.h"
#undef CHECK  // torch has a macro of this name, which would abort the program
#include <catch2/catch.hpp>

using namespace polykv;
using Catch::Contains;

namespace {

// The attention signals of one layer from probabilities [head][query][key], loops only.
std::map<std::string, double> plain_signals(const std::vector<Signal::Rows>& attention,
                                            const SignalSettings& settings, int sliding) {
  std::map<std::string, double> sums;
  const int heads = static_cast<int>(attention.size()), w = static_cast<int>(attention[0].size());
  const int n = static_cast<int>(attention[0][0].size());
  for (const Signal::Rows& head : attention) {
    for (int q = 0; q < w; ++q) {
      double entropy = 0, before = 0;
      for (int k = 0; k < n; ++k) {
        const double p = head[q][k], part = p > 0 ? -p * std::log(p) : 0;
        entropy += part;
        if (k < n - w) before += part;
        if (k < settings.sink) sums["sink_mass"] += p / heads / w;
        if (k >= n - settings.recent) sums["recent_mass"] += p / heads / w;
      }
      int seen = n - w + q + 1;
      if (sliding > 0) seen = std::min(seen, sliding);
      sums["entropy"] += entropy / std::log(seen) / heads / w;
      sums["effective_tokens"] += std::exp(entropy) / heads / w;
      sums["cake_entropy"] += before / heads / w;
    }
    std::vector<double> mean(n, 0);
    for (int k = 0; k < n; ++k) {
      double square = 0;
      for (int q = 0; q < w; ++q) mean[k] += head[q][k] / w;
      for (int q = 0; q < w; ++q) square += std::pow(head[q][k] - mean[k], 2) / w;
      if (k < n - w) sums["temporal_variance"] += square / heads;
    }
    std::sort(mean.begin(), mean.end(), std::greater<>());
    double mass = 0;
    int tokens = 0;
    while (mass < settings.tau) mass += mean[tokens++];
    sums["tokens_for_mass"] += double(tokens) / heads;
  }
  return sums;
}

std::shared_ptr<const Model> embedded() {
  static const auto model = Model::open(std::string(POLYKV_SOURCE) + "/assets/tiny-needle");
  return model;
}

std::vector<Case> needle_cases(int n) {
  NeedleSettings like;
  like.context_tokens = 250;
  return make_needle_cases(n, like, embedded()->tokenizer());
}

}  // namespace

TEST_CASE("attention signals equal plain loops over the attention of the window") {
  const at::InferenceMode guard;
  for (const char* name : {"llama_gqa", "qwen3_qknorm", "mistral_swa"}) {
    const auto model = Model::open(golden(std::string("models/") + name));
    const Case one = random_case(*model, 90, 6, 4, 5);
    const CaseState state = prefill_case(model->decoder(), one, nullptr);
    for (const QueryVisibility query : {QueryVisibility::agnostic, QueryVisibility::aware}) {
      SignalSettings settings;
      settings.query = query;
      settings.window = 20;
      const int n = state.cut_tokens(query);
      for (int layer = 0; layer < model->shape().layers; ++layer) {
        const auto attention =
            plain_attention(model->decoder(), state.full.layers[layer], layer, n - 20, n);
        const auto want = plain_signals(attention, settings, model->config().windows[layer]);
        CHECK(want.size() == 7);
        for (const auto& [id, value] : want) {
          INFO(name << " " << id << " layer " << layer << " " << to_string(query));
          const double got = find_layer_signal(id).of_layer(*model, state, layer, settings);
          CHECK(got == Approx(value).epsilon(1e-4).margin(1e-7));
        }
      }
    }
  }
}

TEST_CASE("a window longer than the prompt reads every query and leaves nothing before it") {
  const at::InferenceMode guard;
  const auto model = Model::open(golden("models/llama_gqa"));
  const CaseState state = prefill_case(model->decoder(), random_case(*model, 1, 2, 2, 3), nullptr);
  SignalSettings settings;
  for (const LayerSignal& row : layer_signals()) {
    const double value = row.of_layer(*model, state, 0, settings);
    INFO(row.id << " = " << value);
    CHECK(std::isfinite(value));
  }
  const auto of = [&](const char* id) {
    return find_layer_signal(id).of_layer(*model, state, 0, settings);
  };
  CHECK(of("entropy") == 0);  // one key: nothing to spread over
  CHECK(of("effective_tokens") == Approx(1));
  CHECK(of("tokens_for_mass") == 1);
  CHECK(of("temporal_variance") == 0);
}

TEST_CASE("attention_cosine is that of the layer's input and input plus attention output") {
  // The last query's probabilities times values, through the output projection, in loops.
  const at::InferenceMode guard;
  const auto model = Model::open(golden("models/llama_gqa"));
  const Decoder& decoder = model->decoder();
  const CaseState state = prefill_case(decoder, random_case(*model, 40, 3, 2, 9), nullptr);
  SignalSettings settings;
  settings.window = 1;
  const ModelShape& s = model->shape();
  for (int layer = 0; layer < s.layers; ++layer) {
    const LayerState& full = state.full.layers[layer];
    const auto attention = plain_attention(decoder, full, layer, 39, 40);
    const at::Tensor v = full.v.contiguous(), weight = decoder.output_weight(layer).contiguous();
    std::vector<double> mixed(s.query_heads * s.head_dim, 0);
    for (int h = 0; h < s.query_heads; ++h) {
      for (int j = 0; j < 40; ++j) {
        const float* row =
            v.data_ptr<float>() + (h / (s.query_heads / s.kv_heads) * v.size(1) + j) * s.head_dim;
        for (int c = 0; c < s.head_dim; ++c)
          mixed[h * s.head_dim + c] += attention[h][0][j] * row[c];
      }
    }
    double dot = 0, before = 0, after = 0;
    for (int i = 0; i < s.hidden; ++i) {
      const double x = full.x[39][i].item<float>();
      double y = x;
      for (std::size_t c = 0; c < mixed.size(); ++c) {
        y += mixed[c] * weight.data_ptr<float>()[i * mixed.size() + c];
      }
      dot += x * y, before += x * x, after += y * y;
    }
    CHECK(find_layer_signal("attention_cosine").of_layer(*model, state, layer, settings) ==
          Approx(dot / std::sqrt(before * after)).epsilon(1e-5));
  }
}

TEST_CASE("evicted mass is what the live scorer's kept mass leaves, per layer") {
  const std::vector<Case> cases = needle_cases(3);
  SignalSettings settings;
  settings.cut.policy = "tova";
  settings.cut.budget = 40;
  for (const QueryVisibility query : {QueryVisibility::agnostic, QueryVisibility::aware}) {
    settings.query = query;
    const auto measured = measure_signals(*embedded(), cases, {"evicted_mass"}, settings)[0];
    LiveScorer scorer(embedded());
    scorer.set_cases(cases);
    const ScoreRow row = scorer.score(uniform_plan("tova", 40, 6, query));
    for (int l = 0; l < 6; ++l) {
      CHECK(measured.mean[l] == Approx(1 - row.kept_mass_by_layer[l]).epsilon(1e-4));
      CHECK(measured.mean[l] > 0.01);
    }
  }
}

TEST_CASE("signals are means over the cases with their standard error") {
  const std::vector<Case> cases = needle_cases(3);
  const std::vector<std::string> ids = {"entropy", "output_error"};
  const SignalSettings settings;
  const auto all = measure_signals(*embedded(), cases, ids, settings);
  REQUIRE(all.size() == 2);
  CHECK(all[0].n == 3);
  std::vector<std::vector<double>> alone;
  for (const Case& one : cases) {
    alone.push_back(measure_signals(*embedded(), {one}, {"entropy"}, settings)[0].mean);
  }
  for (int l = 0; l < 6; ++l) {
    const double mean = (alone[0][l] + alone[1][l] + alone[2][l]) / 3;
    double squares = 0;
    for (const auto& one : alone) squares += (one[l] - mean) * (one[l] - mean);
    CHECK(all[0].mean[l] == Approx(mean));
    CHECK(all[0].standard_error[l] == Approx(std::sqrt(squares / 2 / 3)));
  }
  const std::vector<double>& error = all[1].mean;
  CHECK(std::accumulate(error.begin(), error.end(), 0.0) == Approx(1));
  CHECK(*std::min_element(error.begin(), error.end()) > 0);
  // One case has no spread.
  const auto one = measure_signals(*embedded(), {cases[0]}, {"entropy"}, settings)[0];
  CHECK(std::isnan(one.standard_error[0]));
}

TEST_CASE("measured attention feeds every allocator, and its curves and scores are shares") {
  const std::vector<Case> cases = needle_cases(2);
  SignalSettings settings;
  const Signal signal = measure_attention(*embedded(), cases, settings);
  const ModelShape& s = embedded()->shape();
  REQUIRE(signal.layers() == s.layers);
  const auto alone = measure_signals(
      *embedded(), cases, {"cake_entropy", "temporal_variance", "tokens_for_mass"}, settings);
  for (int l = 0; l < s.layers; ++l) {
    CHECK(signal.values[l] == Approx(alone[0].mean[l]));
    CHECK(signal.variance[l] == Approx(alone[1].mean[l]));
    REQUIRE(static_cast<int>(signal.curves[l].size()) == s.query_heads);
    for (const auto& curve : signal.curves[l]) {
      CHECK(curve.front() == 0);
      CHECK(curve.back() == Approx(1).epsilon(1e-5));
      CHECK(curve.size() == std::max(cases[0].context.size(), cases[1].context.size()) + 1);
      for (std::size_t t = 2; t < curve.size(); ++t) {  // the best token first
        CHECK(curve[t] - curve[t - 1] <= curve[t - 1] - curve[t - 2] + 1e-9);
      }
    }
    REQUIRE(static_cast<int>(signal.scores[l].size()) == s.kv_heads * 2);
    for (const auto& row : signal.scores[l]) {
      CHECK(std::accumulate(row.begin(), row.end(), 0.0) == Approx(1).epsilon(1e-5));
    }
  }
  for (const Allocator& row : allocators()) {
    const std::vector<int> budgets = row.share(64 * s.layers, signal, {8, 250});
    CHECK(std::accumulate(budgets.begin(), budgets.end(), 0) == 64 * s.layers);
  }
}

TEST_CASE("measuring stops when it is cancelled and says what it cannot do") {
  CancelFlag cancel = true;
  CHECK_THROWS_AS(measure_signals(*embedded(), needle_cases(1), {"entropy"}, {}, {}, &cancel),
                  Cancelled);
  CHECK_THROWS_AS(measure_attention(*embedded(), needle_cases(1), {}, {}, &cancel), Cancelled);
  CHECK_THROWS_WITH(measure_signals(*embedded(), {}, {"entropy"}, {}), Contains("at least one"));
  CHECK_THROWS_WITH(measure_signals(*embedded(), needle_cases(1), {"entropie"}, {}),
                    Contains("nearest is 'entropy'"));
  Case short_answer = needle_cases(1)[0];
  short_answer.answer.resize(1);
  SignalSettings aware;
  aware.query = QueryVisibility::aware;
  CHECK_THROWS_WITH(measure_signals(*embedded(), {short_answer}, {"output_error"}, aware),
                    Contains("one token"));
}
