#pragma once
// One sequence from prompt to answer with a real, compressed cache. Plain facade over the torch
// parts.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/model/model.h"
#include "core/plan/plan.h"

namespace polykv {

struct GenerateRequest {
  std::vector<int> context,
      question;  // an agnostic cut comes after the context, an aware one after both
  Plan plan;     // layers empty = full cache
  int max_new = 32;
  bool stop_at_eos = true;
};

struct GenerateResult {
  std::vector<int> ids;  // new tokens only
  double prefill_ms = 0, decode_tokens_per_s = 0;
  std::int64_t kv_bytes = 0;  // allocated after the prefill cut
};

// Greedy. Throws an input Error for an empty prompt, ids outside the vocabulary, a prompt longer
// than the model's positions, or a plan that does not fit.
GenerateResult generate(const Model& model, const GenerateRequest& request,
                        const CancelFlag* cancel = nullptr);

struct KeptRows {
  std::string policy;
  int budget = 0;                           // tokens kept per kv head, on average
  std::vector<std::vector<int>> positions;  // per kv head
  std::vector<float> scores;  // (kv_heads, tokens), protected tokens +inf; full: all +inf
};

struct KeepResult {
  std::vector<KeptRows> layers;
  int tokens = 0;  // tokens the cut looked at
  std::int64_t kv_bytes = 0;
};

// What the plan's prefill cut keeps.
KeepResult keep(const Model& model, const GenerateRequest& request,
                const CancelFlag* cancel = nullptr);

// Writes logits (and taps) of a prompt as safetensors (cli.md, `logits`). last = 0: every position.
struct LogitsRequest {
  std::vector<int> ids;
  int last = 0;
  int chunk = 0;  // query rows run at a time; 0 = the engine's choice. Does not change the result
  bool hidden = false, keys_values = false;
  std::string out;
};
void write_logits(const Model& model, const LogitsRequest& request);

}  // namespace polykv
