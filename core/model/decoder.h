#pragma once
// The decoder of every supported family: weights and the three steps around attention. Knows torch.
//
// Matrices are kept in the model's dtype; norms, biases, activations, keys, values and logits are
// fp32 in every dtype, and a narrow weight is widened exactly before it is multiplied. Less is not
// exact enough: bf16 files so computed give the reference's logits within 4e-5, with activations
// rounded to bf16 they are off by 0.12 to 0.34, with only keys and values rounded by 0.06 to 0.25
// (fp16: up to 0.028), where 0.02 is allowed.
#include <ATen/ATen.h>

#include <span>
#include <vector>

#include "core/model/config.h"
#include "core/model/model.h"
#include "core/model/weights.h"

namespace polykv {

// cos and sin of the rotation angles, (tokens, 1, head_dim / 2) fp32.
struct RopeAngles {
  at::Tensor cos, sin;
};

// Post-RoPE queries and keys, heads first.
struct Projected {
  at::Tensor q;     // (query_heads, tokens, head_dim)
  at::Tensor k, v;  // (kv_heads, tokens, head_dim)
};

class Decoder {
 public:
  // Copies the weights, matrices to `dtype`. Throws an input Error for missing tensors, other
  // shapes, NaN or inf, and numbers too large for fp16.
  Decoder(const ModelConfig& config, const Weights& weights, StoredType dtype,
          const Progress& progress, const CancelFlag* cancel);

  const ModelConfig& config() const { return config_; }
  std::int64_t parameters() const { return parameters_; }
  at::ScalarType dtype() const { return head_.scalar_type(); }  // of the matrices

  // positions (tokens) int64; sequence: tokens of the whole sequence (dynamic RoPE depends on it).
  RopeAngles angles(const at::Tensor& positions, int sequence) const;
  at::Tensor embed(std::span<const int> ids) const;  // (tokens, hidden)
  // Norm, query / key / value, optional q/k norm, RoPE. x (tokens, hidden) is the layer's input.
  Projected project(int layer, const at::Tensor& x, const RopeAngles& angles) const;
  // Only keys and values.
  Projected project_keys(int layer, const at::Tensor& x, const RopeAngles& angles) const;
  // Only the queries: (query_heads, tokens, head_dim).
  at::Tensor project_queries(int layer, const at::Tensor& x, const RopeAngles& angles) const;
  // The same before RoPE, after the q norm where there is one: (query_heads, tokens, head_dim).
  at::Tensor queries_before_rope(int layer, const at::Tensor& x) const;
  const at::Tensor& output_weight(int layer) const { return layers_[layer].out; }
  // The output projection alone: the attention block's output (tokens, hidden).
  at::Tensor attention_output(int layer, const at::Tensor& attention) const;
  // Output projection, residual and MLP: the next layer's input from attention (tokens, H * d).
  at::Tensor finish(int layer, const at::Tensor& x, const at::Tensor& attention) const;
  at::Tensor final_norm(const at::Tensor& x) const;
  at::Tensor logits(const at::Tensor& x) const;  // (tokens, vocab) from the last layer's output

 private:
  struct Layer {
    at::Tensor input_norm, post_norm;  // (hidden)
    at::Tensor qkv, qkv_bias;          // ((H + 2G) * d, hidden), rows: queries, keys, values
    at::Tensor out, out_bias;          // (hidden, H * d)
    at::Tensor gate_up, gate_up_bias;  // (2 * intermediate, hidden)
    at::Tensor down, down_bias;        // (hidden, intermediate)
    at::Tensor q_norm, k_norm;         // (head_dim), only with qk_norm
  };
  at::Tensor normed(const at::Tensor& x, const at::Tensor& weight) const;
  Projected project_rows(int layer, const at::Tensor& x, const RopeAngles& angles, int heads,
                         int kv_heads) const;
  Projected split(const Layer& w, const at::Tensor& qkv, int heads, int kv_heads,
                  const RopeAngles& angles) const;

  ModelConfig config_;
  at::Tensor embedding_, head_, norm_;
  std::vector<Layer> layers_;
  std::int64_t parameters_ = 0;
};

}  // namespace polykv
