#pragma once
// The yardstick of `bench engine`: a Llama as one writes it with LibTorch alone. Shares no code
// with the decoder but the reading of weights. Plain facade over torch.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/model/model.h"

namespace polykv {

struct PlainRun {
  std::vector<int> ids;  // greedy, new tokens only
  double prefill_ms = 0, decode_tokens_per_s = 0;
};

// Separate q, k and v projections, scaled_dot_product_attention, one preallocated cache a layer.
class PlainLoop {
 public:
  // Reads the model's folder again, in the model's dtype. Throws an Error for what it leaves out:
  // biases, q/k norms, sliding windows, tensors of other names.
  explicit PlainLoop(const Model& model);
  ~PlainLoop();
  PlainLoop(const PlainLoop&) = delete;
  PlainLoop& operator=(const PlainLoop&) = delete;

  // The prompt in one piece, then max_new tokens; the first comes with the prompt.
  PlainRun run(std::span<const int> prompt, int max_new) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Milliseconds of reading the files with read() into fresh memory, one block after another.
double plain_read_ms(const std::vector<std::string>& files);

}  // namespace polykv
