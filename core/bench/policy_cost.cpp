#include "core/bench/policy_cost.h"

#include <ATen/ATen.h>

#include <chrono>
#include <numeric>
#include <optional>
#include <utility>

#include "core/bench/random_model.h"
#include "core/cache/keep.h"
#include "core/cache/layer_rows.h"
#include "core/cache/layer_view.h"
#include "core/cache/repeat.h"
#include "core/model/decoder.h"
#include "core/model/weights.h"

namespace polykv {
namespace {

constexpr ModelShape kShape = {.layers = 1,
                               .query_heads = 32,
                               .kv_heads = 8,
                               .head_dim = 128,
                               .hidden = 4096,
                               .vocab = 1,
                               .max_tokens = 1 << 20};

Decoder random_decoder(std::uint64_t seed) {
  const RandomModel model(kShape, /*intermediate=*/1, seed);
  const Weights weights(model.folder());
  return Decoder(read_config(model.folder()), weights, StoredType::f32, {}, nullptr);
}

// Milliseconds since the last call.
class Lap {
 public:
  double operator()() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace

struct RandomLayer::State {
  Decoder decoder;
  std::uint64_t seed;
  int tokens = 0;
  LayerState layer;
  at::Tensor queries;  // (query_heads, tokens, head_dim)
  std::vector<int> ranked_heads;
  std::vector<float> head_scores;
};

RandomLayer::RandomLayer(std::uint64_t seed)
    : state_(new State{random_decoder(seed), seed, 0, {}, {}, {}, {}}) {
  at::manual_seed(seed);
  const at::Tensor scores = at::rand({kShape.query_heads}, at::kFloat);
  const at::Tensor order = scores.argsort(0, /*descending=*/true);
  for (int i = 0; i < kShape.query_heads; ++i) {
    state_->head_scores.push_back(scores[i].item<float>());
    state_->ranked_heads.push_back(static_cast<int>(order[i].item<std::int64_t>()));
  }
}

RandomLayer::~RandomLayer() = default;

void RandomLayer::fill(int tokens) {
  const at::InferenceMode guard;
  State& s = *state_;
  s.layer = {};
  s.queries = at::Tensor();
  s.tokens = tokens;
  s.layer = {at::randn({tokens, kShape.hidden}, at::kFloat),
             at::randn({kShape.kv_heads, tokens, kShape.head_dim}, at::kFloat),
             at::randn({kShape.kv_heads, tokens, kShape.head_dim}, at::kFloat)};
  s.queries = at::randn({kShape.query_heads, tokens, kShape.head_dim}, at::kFloat);
}

double RandomLayer::attention_ms() const {
  const at::InferenceMode guard;
  const State& s = *state_;
  Lap lap;
  at::scaled_dot_product_attention(s.queries.unsqueeze(0), s.layer.k.unsqueeze(0),
                                   s.layer.v.unsqueeze(0), std::nullopt, 0.0, /*is_causal=*/true,
                                   std::nullopt, /*enable_gqa=*/true);
  return lap();
}

CutTime RandomLayer::cut(const Policy& policy, int budget) const {
  const at::InferenceMode guard;
  const State& s = *state_;
  LayerChoice choice;
  choice.policy = policy.id;
  choice.budget = budget;
  CutContext context;
  context.tokens = s.tokens;
  context.budget = budget;
  context.seed = s.seed;
  context.ranked_heads = s.ranked_heads;
  context.head_scores = s.head_scores;
  const RepeatSource repeat = [&](int chunk) {
    return RepeatPass(s.tokens, chunk).advance(s.decoder, 0, s.layer);
  };
  CutTime time;
  Lap lap;
  const PromptView view(s.decoder, s.layer, context, repeat);
  const LayerScores scores = policy_scores(policy, view, choice.params);
  time.score = lap();
  const Kept kept = keep_rows(policy, choice, scores, kShape.kv_heads);
  time.select = lap();
  LayerRows rows(kShape, /*window=*/0, {});
  rows.fill(s.layer, s.tokens, kept, /*room=*/0);
  if (policy.merge && !kept.everything()) rows.merge(policy, view, scores, kept, choice.params);
  time.compact = lap();
  return time;
}

}  // namespace polykv
