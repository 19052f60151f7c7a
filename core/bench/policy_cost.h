#pragma once
// What a policy's cut of one layer costs beside that layer's attention. Plain facade over torch.
#include <cstdint>
#include <memory>
#include <string>

#include "core/policies/policy.h"

namespace polykv {

// Milliseconds of one cut.
struct CutTime {
  double score = 0, select = 0, compact = 0;
  double total() const { return score + select + compact; }
};

// One layer of an 8B Llama after a prompt: 32 query and 8 kv heads of 128 channels, hidden size
// 4096, fp32; weights, hidden states, keys, values and the head list are noise, and the MLP is left
// out (1 channel wide). Makes its weights in a temporary folder: throws Error(failed) without room.
class RandomLayer {
 public:
  explicit RandomLayer(std::uint64_t seed);
  ~RandomLayer();
  RandomLayer(const RandomLayer&) = delete;
  RandomLayer& operator=(const RandomLayer&) = delete;

  // A prompt of that many tokens; the one before is forgotten.
  void fill(int tokens);
  // Causal scaled_dot_product_attention of the whole prompt, as LibTorch has it.
  double attention_ms() const;
  // A cut of the filled prompt at the end of prefill as the cache does it: scores through
  // PromptView (queries are projected again from the hidden states; for kvzip the second reading of
  // the context counts), the keep rule, and the kept rows gathered and merged.
  CutTime cut(const Policy& policy, int budget) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polykv
