#include "core/cache/repeat.h"

#include <algorithm>

#include "core/cache/attend.h"
#include "core/policies/policy.h"

namespace polykv {
namespace {

constexpr std::int64_t kBlock = 1 << 24;  // attention probabilities held at a time (64 MiB)

}  // namespace

at::Tensor RepeatPass::advance(const Decoder& decoder, int layer, const LayerState& state,
                               const CancelFlag* cancel) {
  const ModelShape& s = decoder.config().shape;
  const std::int64_t n = tokens_, d = s.head_dim, group = s.query_heads / s.kv_heads;
  if (layer == 0) x_ = state.x.narrow(0, 0, n);
  at::Tensor next = at::empty_like(x_);
  at::Tensor best = at::zeros({s.kv_heads, n}, at::kFloat);
  for (std::int64_t begin = 0; begin < n; begin += chunk_) {
    stop_if(cancel);
    const std::int64_t rows = std::min<std::int64_t>(chunk_, n - begin);
    const at::Tensor x = x_.narrow(0, begin, rows);
    const RopeAngles angles =
        decoder.angles(at::arange(n, n + rows, at::kLong), static_cast<int>(state.x.size(0)));
    const Projected p = decoder.project(layer, x, angles);
    const at::Tensor keys = at::cat({state.k.narrow(1, 0, n), p.k}, 1).to(at::kFloat);
    const at::Tensor values = at::cat({state.v.narrow(1, 0, n), p.v}, 1).to(at::kFloat);
    const at::Tensor queries = p.q.to(at::kFloat);
    at::Tensor mixed = at::empty({rows, s.query_heads * d}, at::kFloat);
    const std::int64_t most = std::max<std::int64_t>(1, kBlock / (s.query_heads * (n + rows)));
    for (std::int64_t first = 0; first < rows; first += most) {
      const std::int64_t t = std::min(most, rows - first), seen = n + first + t;
      const at::Tensor attention = attention_rows(
          queries.narrow(1, first, t), keys.narrow(1, 0, seen), decoder.config().windows[layer]);
      best =
          at::maximum(best, attention.narrow(2, 0, n).amax(1).view({s.kv_heads, group, n}).amax(1));
      mixed.narrow(0, first, t)
          .copy_(at::bmm(attention.view({s.kv_heads, group * t, seen}), values.narrow(1, 0, seen))
                     .view({s.query_heads, t, d})
                     .transpose(0, 1)
                     .reshape({t, s.query_heads * d}));
    }
    next.narrow(0, begin, rows).copy_(decoder.finish(layer, x, mixed.to(x.scalar_type())));
  }
  x_ = next;
  return best;
}

RepeatPasses::RepeatPasses(const std::vector<LayerChoice>& choices, int tokens) {
  const Policy& kvzip = *find_policy("kvzip");
  for (std::size_t l = 0; l < choices.size(); ++l) {
    const Policy* policy = find_policy(choices[l].policy);
    if (!policy || !(needs_of(*policy, choices[l].params) & kNeedsRepeat)) continue;
    last_layer_ = static_cast<int>(l);
    const int chunk = integer_param(choices[l].params, kvzip.params, "chunk");
    if (std::none_of(passes_.begin(), passes_.end(),
                     [&](const RepeatPass& pass) { return pass.chunk() == chunk; })) {
      passes_.emplace_back(tokens, chunk);
    }
  }
}

void RepeatPasses::advance(const Decoder& decoder, int layer, const LayerState& state,
                           const CancelFlag* cancel) {
  if (layer > last_layer_) return;
  for (RepeatPass& pass : passes_) {
    found_[pass.chunk()] = pass.advance(decoder, layer, state, cancel);
  }
}

RepeatSource RepeatPasses::source() const {
  return [this](int chunk) { return found_.at(chunk); };
}

at::Tensor RepeatStore::attention(const Decoder& decoder, const PromptState& full, int layer,
                                  int tokens, int chunk) {
  std::vector<at::Tensor>& found = found_[{tokens, chunk}];
  if (found.empty()) {
    RepeatPass pass(tokens, chunk);
    for (std::size_t l = 0; l < full.layers.size(); ++l) {
      found.push_back(pass.advance(decoder, static_cast<int>(l), full.layers[l]));
    }
  }
  return found[layer];
}

}  // namespace polykv
