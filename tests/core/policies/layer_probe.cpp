#include "tests/core/policies/layer_probe.h"

#include <ATen/ATen.h>

#include <cmath>
#include <random>

#include "core/cache/attend.h"
#include "core/cache/keep.h"
#include "core/cache/layer_view.h"
#include "core/cache/repeat.h"

namespace polykv {
namespace {

at::Tensor tensor_of(const std::vector<float>& values, std::vector<std::int64_t> shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).clone();
}

std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kFloat).contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

class NumbersView : public LayerView {
 public:
  NumbersView(const LayerNumbers& numbers, int budget)
      : LayerView({.layer = numbers.layer,
                   .tokens = numbers.tokens,
                   .budget = budget,
                   .phase = numbers.phase,
                   .seed = numbers.seed,
                   .ranked_heads = numbers.ranked_heads,
                   .head_scores = numbers.head_scores},
                  {.layers = numbers.layers,
                   .query_heads = numbers.query_heads,
                   .kv_heads = numbers.kv_heads,
                   .head_dim = numbers.dim,
                   .hidden = numbers.hidden},
                  numbers.first_kv_head),
        n_(numbers) {}

  at::Tensor keys() const override { return tensor_of(n_.keys, {n_.kv_heads, n_.tokens, n_.dim}); }
  at::Tensor values() const override {
    return tensor_of(n_.values, {n_.kv_heads, n_.tokens, n_.dim});
  }
  at::Tensor positions() const override {
    at::Tensor out = at::empty({n_.kv_heads, n_.tokens}, at::kLong);
    std::copy(n_.positions.begin(), n_.positions.end(), out.data_ptr<std::int64_t>());
    return out;
  }
  at::Tensor attention_rows(int window) const override {
    const int last = std::min(window, n_.queries);
    return tensor_of(n_.attention, {n_.query_heads, n_.queries, n_.tokens})
        .narrow(1, n_.queries - last, last);
  }
  at::Tensor attention_sums(int window) const override { return attention_rows(window).sum(1); }
  at::Tensor attention_totals() const override { return attention_sums(n_.queries); }
  at::Tensor attention_by_position(int window) const override {
    const at::Tensor sums = attention_sums(window);
    at::Tensor out = at::empty({n_.kv_heads, n_.tokens}, at::kFloat);
    for (int i = 0; i < n_.kv_heads * n_.tokens; ++i) {
      double sum = 0;
      int heads = 0;
      for (int j = 0; j < n_.kv_heads * n_.tokens; ++j) {
        if (n_.positions[j] != n_.positions[i]) continue;
        for (int r = 0; r < n_.group(); ++r, ++heads) {
          sum += sums[j / n_.tokens * n_.group() + r][j % n_.tokens].item<float>();
        }
      }
      out.data_ptr<float>()[i] = static_cast<float>(sum / heads);
    }
    return out;
  }
  at::Tensor queries_before_rope(int first, int last) const override {
    return tensor_of(n_.pre_rope, {n_.query_heads, n_.tokens, n_.dim})
        .narrow(1, first, last - first);
  }
  at::Tensor repeat_attention(int) const override {
    return tensor_of(n_.repeat, {n_.kv_heads, n_.tokens});
  }
  RopeAngles angles(const at::Tensor& positions) const override {
    at::Tensor radians = at::empty({positions.size(0), 1, n_.dim / 2}, at::kFloat);
    for (int i = 0; i < n_.dim / 2; ++i) {
      radians.select(2, i).copy_(
          (positions.to(at::kFloat) * std::pow(10000.0, -2.0 * i / n_.dim)).unsqueeze(1));
    }
    return {radians.cos(), radians.sin()};
  }

 private:
  at::Tensor output_weight() const override {
    return tensor_of(n_.output, {n_.hidden, n_.query_heads * n_.dim});
  }
  const LayerNumbers& n_;
};

}  // namespace

LayerNumbers random_layer(int query_heads, int kv_heads, int tokens, std::uint64_t seed,
                          Phase phase) {
  LayerNumbers n;
  n.query_heads = query_heads;
  n.kv_heads = kv_heads;
  n.tokens = n.queries = tokens;
  n.phase = phase;
  n.seed = seed;
  std::mt19937_64 random(seed * 7919 + 13);
  std::normal_distribution<float> normal;
  const auto fill = [&](std::vector<float>& out, int count) {
    out.resize(static_cast<std::size_t>(count));
    for (float& x : out) x = normal(random);
  };
  fill(n.keys, kv_heads * tokens * n.dim);
  fill(n.values, kv_heads * tokens * n.dim);
  fill(n.pre_rope, query_heads * tokens * n.dim);
  fill(n.output, n.hidden * query_heads * n.dim);
  fill(n.repeat, kv_heads * tokens);
  for (float& x : n.repeat) x = 1 / (1 + std::exp(-x));
  fill(n.head_scores, query_heads);
  for (float& x : n.head_scores) x = std::abs(x);
  for (int h = 0; h < query_heads; ++h) n.ranked_heads.push_back(h);
  std::sort(n.ranked_heads.begin(), n.ranked_heads.end(),
            [&](int a, int b) { return n.head_scores[a] > n.head_scores[b]; });
  for (int h = 0; h < query_heads; ++h) {
    for (int q = 0; q < tokens; ++q) {
      double sum = 0;
      std::vector<double> row(static_cast<std::size_t>(tokens), 0);
      for (int t = 0; t <= q; ++t) sum += row[t] = std::exp(2.0 * normal(random));
      for (const double x : row) n.attention.push_back(static_cast<float>(x / sum));
    }
  }
  for (int g = 0; g < kv_heads; ++g) {
    std::int64_t position = 0;
    for (int t = 0; t < tokens; ++t) {
      n.positions.push_back(position);
      position += phase == Phase::prefill ? 1 : 1 + static_cast<std::int64_t>(random() % 2);
    }
  }
  return n;
}

LayerScores probe_scores(const Policy& policy, const LayerNumbers& numbers, const Params& params,
                         int budget) {
  return policy_scores(policy, NumbersView(numbers, budget), params);
}

Kept probe_kept(const Policy& policy, const LayerNumbers& numbers, const Params& params,
                int budget) {
  const LayerChoice choice{.policy = policy.id, .budget = budget, .params = params};
  return keep_rows(policy, choice, probe_scores(policy, numbers, params, budget), numbers.kv_heads);
}

Merged probe_merge(const Policy& policy, const LayerNumbers& numbers, const Kept& kept,
                   const Params& params, std::vector<double>& memory) {
  const NumbersView view(numbers, kept.count(0));
  std::vector<at::Tensor> ks, vs;
  for (int h = 0; h < numbers.kv_heads; ++h) {
    const at::Tensor index = at::empty({kept.count(h)}, at::kInt);
    std::copy(kept.head(h).begin(), kept.head(h).end(), index.data_ptr<std::int32_t>());
    ks.push_back(view.keys()[h].index_select(0, index));
    vs.push_back(view.values()[h].index_select(0, index));
  }
  at::Tensor k = at::stack(ks), v = at::stack(vs);
  policy.merge(view, probe_scores(policy, numbers, params, kept.count(0)), kept, params, memory, k,
               v);
  return {values_of(k), values_of(v)};
}

struct PromptProbe::Run {
  const Decoder& decoder;
  std::vector<int> ids;
  PromptState full;
  mutable RepeatStore repeats;
};

PromptProbe::PromptProbe(const Model& model, const std::vector<int>& ids)
    : run_(new Run{model.decoder(), ids, prefill(model.decoder(), ids), {}}) {}
PromptProbe::~PromptProbe() = default;

LayerScores PromptProbe::scores(int layer, const Policy& policy, const Params& params, int budget,
                                const std::vector<int>& ranked_heads,
                                const std::vector<float>& head_scores) const {
  const PromptView view(run_->decoder, run_->full.layers[layer],
                        {.layer = layer,
                         .tokens = run_->full.tokens,
                         .budget = budget,
                         .ranked_heads = ranked_heads,
                         .head_scores = head_scores},
                        [&](int chunk) {
                          return run_->repeats.attention(run_->decoder, run_->full, layer,
                                                         run_->full.tokens, chunk);
                        });
  return policy_scores(policy, view, params);
}

std::vector<float> PromptProbe::repeat_by_plain_runs(int layer, int chunk) const {
  const ModelShape& s = run_->decoder.config().shape;
  const int n = run_->full.tokens;
  at::Tensor best = at::zeros({s.kv_heads, n}, at::kFloat);
  for (int begin = 0; begin < n; begin += chunk) {
    const int end = std::min(n, begin + chunk);
    std::vector<int> ids = run_->ids;
    ids.insert(ids.end(), run_->ids.begin() + begin, run_->ids.begin() + end);
    const PromptState twice = prefill(run_->decoder, ids);
    const LayerState& state = twice.layers[layer];
    const at::Tensor rows =
        attention_rows(stored_queries(run_->decoder, state, layer, n, twice.tokens), state.k,
                       run_->decoder.config().windows[layer]);
    best = at::maximum(best, rows.narrow(2, 0, n).amax(1).view({s.kv_heads, -1, n}).amax(1));
  }
  return values_of(best);
}

}  // namespace polykv
