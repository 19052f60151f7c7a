#pragma once
// The full-cache run of a prompt, kept for everything that follows. Knows torch.
#include <ATen/ATen.h>

#include <functional>
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

// Called with each layer as soon as its attention has read the whole prompt.
using LayerVisitor = std::function<void(int layer, LayerState&& state)>;

// Runs ids at positions 0, 1, ... with full causal attention (a windowed layer sees its window),
// layer by layer and in chunks of query rows: attention memory is O(chunk x head_dim), with a
// window O(chunk x (window + chunk)). Returns the last layer's output for the last `wanted` tokens,
// 0 = all: (wanted, hidden). Throws Cancelled between chunks and an input Error for an empty
// prompt, ids outside the vocabulary or more tokens than the model holds. chunk 0 = kPrefillChunk.
constexpr int kPrefillChunk = 1024;
at::Tensor run_prompt(const Decoder& decoder, std::span<const int> ids, const LayerVisitor& visit,
                      const CancelFlag* cancel = nullptr, int chunk = 0, int wanted = 0);

// The same, keeping every layer.
PromptState prefill(const Decoder& decoder, std::span<const int> ids,
                    const CancelFlag* cancel = nullptr, int chunk = 0);

// Throws as prefill does, without running anything; room = tokens that will follow.
void check_prompt(const ModelConfig& config, std::span<const int> ids, int room = 0);

inline void stop_if(const CancelFlag* cancel) {
  if (cancel && cancel->load(std::memory_order_relaxed)) throw Cancelled{};
}

}  // namespace polykv
