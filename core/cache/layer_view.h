#pragma once
// What a policy may look at: one layer at its prefill cut. Knows torch.
#include <ATen/ATen.h>

#include "core/cache/prompt_state.h"

namespace polykv {

class LayerView {
 public:
  // The cut looks at the first `tokens` tokens of the layer's state.
  LayerView(const Decoder& decoder, const LayerState& state, int layer, int tokens, int budget,
            std::uint64_t seed)
      : decoder_(decoder),
        state_(state),
        layer_(layer),
        tokens_(tokens),
        budget_(budget),
        seed_(seed) {}

  int layer() const { return layer_; }
  int tokens() const { return tokens_; }
  int budget() const { return budget_; }
  std::uint64_t seed() const { return seed_; }
  const ModelShape& shape() const { return decoder_.config().shape; }

  at::Tensor keys() const { return state_.k.narrow(1, 0, tokens_); }
  at::Tensor values() const { return state_.v.narrow(1, 0, tokens_); }
  // Softmax attention of the last `window` queries (at most all of them), summed over those
  // queries: (query_heads, tokens) fp32, causal, O(tokens) memory.
  at::Tensor attention_sums(int window) const;

 private:
  const Decoder& decoder_;
  const LayerState& state_;
  int layer_, tokens_, budget_;
  std::uint64_t seed_;
};

// Attention of the queries at positions [first, last) over the keys 0 .. last - 1 of one layer of
// the full cache, summed over the queries: (query_heads, last) fp32.
at::Tensor attention_sums(const Decoder& decoder, const LayerState& state, int layer, int first,
                          int last);

// Post-RoPE queries at positions [first, last): (query_heads, last - first, head_dim).
at::Tensor stored_queries(const Decoder& decoder, const LayerState& state, int layer, int first,
                          int last);

}  // namespace polykv
