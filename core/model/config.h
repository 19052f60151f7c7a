#pragma once
// config.json of a Hugging Face folder, old and new style, as plain numbers.
#include <optional>
#include <string>
#include <vector>

namespace polykv {

struct ModelShape {
  int layers = 0, query_heads = 0, kv_heads = 0, head_dim = 0, hidden = 0, vocab = 0,
      max_tokens = 0;
};

struct RopeSettings {
  std::string kind = "default";  // default | linear | dynamic | llama3 | yarn
  double theta = 10000.0, factor = 1.0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32, beta_slow = 1;  // yarn: rotations that stay / are stretched
  bool truncate = true;           // yarn: correction range rounded outwards to whole channel pairs
  double attention_factor = 1.0;  // yarn: cos and sin are multiplied by it
  int original_max_tokens = 0;    // positions the model was trained with (not with default)
};

struct ModelConfig {
  std::string architecture;  // e.g. "LlamaForCausalLM"
  ModelShape shape;
  int intermediate = 0;
  double norm_eps = 1e-6;
  bool tied_embeddings = false, qkv_bias = false, out_bias = false, mlp_bias = false;
  bool qk_norm = false;  // RMS norm of every query and key head before RoPE
  RopeSettings rope;
  std::vector<int> windows;  // per layer: query i sees keys j with i - window < j <= i; 0 = all
  std::string stored_dtype;  // "float16", "bfloat16", "float32" as config.json says
  std::vector<int> eos_ids;  // from generation_config.json, else config.json
  std::optional<int> bos_id;
};

// Reads config.json and generation_config.json. Throws an input Error naming file, key and
// expectation for a missing key, a wrong type, or what is not supported (architecture, RoPE kind).
ModelConfig read_config(const std::string& folder);

}  // namespace polykv
