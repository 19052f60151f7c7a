#pragma once
// KVzip's second pass (arXiv 2505.23416, section 3): the context is read once more behind itself,
// and what that repeat attends to is what another reader would need. Knows torch.
#include <ATen/ATen.h>

#include <map>
#include <utility>
#include <vector>

#include "core/cache/layer_view.h"
#include "core/cache/prompt_state.h"
#include "core/plan/plan.h"

namespace polykv {

// One repeat of the first `tokens` tokens of a prompt, streamed layer by layer beside its full run.
// The repeat is the tokens themselves, without words around them: their embeddings are the first
// layer's input, so no tokenizer is asked. Each chunk stands at the positions behind the prompt
// and attends to all of the layer's keys and to itself; the chunks do not see each other.
class RepeatPass {
 public:
  RepeatPass(int tokens, int chunk) : tokens_(tokens), chunk_(chunk) {}
  int chunk() const { return chunk_; }

  // To be called with every layer in order. Returns the layer's largest attention over all repeat
  // queries and the query heads of the group: (kv_heads, tokens) fp32. Memory O(chunk x hidden) and
  // a bounded block of attention rows. Throws Cancelled between chunks.
  at::Tensor advance(const Decoder& decoder, int layer, const LayerState& state,
                     const CancelFlag* cancel = nullptr);

 private:
  int tokens_, chunk_;
  at::Tensor x_;  // (tokens, hidden) the repeat's input of the next layer
};

// The passes that the choices of a plan's prefill phase ask for, one per chunk size.
class RepeatPasses {
 public:
  RepeatPasses(const std::vector<LayerChoice>& choices, int tokens);
  void advance(const Decoder& decoder, int layer, const LayerState& state,
               const CancelFlag* cancel = nullptr);
  // What the last advanced layer got.
  RepeatSource source() const;

 private:
  int last_layer_ = -1;  // the last one that asks
  std::vector<RepeatPass> passes_;
  std::map<int, at::Tensor> found_;  // by chunk size
};

// The same over a stored full run, for cuts that come back: all layers of a pass are run at the
// first question and kept.
class RepeatStore {
 public:
  at::Tensor attention(const Decoder& decoder, const PromptState& full, int layer, int tokens,
                       int chunk);

 private:
  std::map<std::pair<int, int>, std::vector<at::Tensor>> found_;  // [(tokens, chunk)][layer]
};

}  // namespace polykv
