#pragma once
// The full-cache run of a prompt, kept for everything that follows. Knows torch.
#include <ATen/ATen.h>

#include <span>
#include <vector>

#include "core/model/decoder.h"

namespace polykv {

struct LayerState {
  at::Tensor x;     // (tokens, hidden) input of the layer
  at::Tensor k, v;  // (kv_heads, tokens, head_dim), keys post-RoPE
};

struct PromptState {
  std::vector<LayerState> layers;
  at::Tensor out;  // (tokens, hidden) output of the last layer, before the final norm
  int tokens = 0;
};

// Runs ids at positions 0, 1, ... with full causal attention. Throws Cancelled between layers and
// an input Error for an empty prompt, ids outside the vocabulary or more tokens than the model
// holds.
PromptState prefill(const Decoder& decoder, std::span<const int> ids,
                    const CancelFlag* cancel = nullptr);

// Throws as prefill does, without running anything; room = tokens that will follow.
void check_prompt(const ModelConfig& config, std::span<const int> ids, int room = 0);

inline void stop_if(const CancelFlag* cancel) {
  if (cancel && cancel->load(std::memory_order_relaxed)) throw Cancelled{};
}

}  // namespace polykv
