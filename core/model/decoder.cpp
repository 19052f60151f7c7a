#include "core/model/decoder.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/error.h"
#include "core/model/affine.h"
#include "core/model/rope.h"
#include "core/model/widen.h"
#include "core/text.h"
#include "kernels/elementwise.h"

namespace polykv {
namespace {

// Rows of that many numbers a thread should have, or waking it costs more than it brings.
std::int64_t grain(std::int64_t columns) { return std::max<std::int64_t>(1, (1 << 16) / columns); }

at::ScalarType scalar_type(StoredType type) {
  return type == StoredType::bf16  ? at::kBFloat16
         : type == StoredType::f16 ? at::kHalf
                                   : at::kFloat;
}

// Reads tensors by name and shape, matrices in `dtype` and vectors in fp32, and counts the
// parameters. Says how far it is and looks at cancel before every tensor.
struct WeightReader {
  const Weights& weights;
  StoredType dtype;
  const Progress& progress;
  const CancelFlag* cancel;
  std::int64_t parameters = 0, done_bytes = 0, all_bytes = weights.tensor_bytes();

  void report(std::size_t bytes) {
    if (cancel && *cancel) throw Cancelled{};
    if (progress) {
      progress(double(done_bytes) / double(all_bytes), bytes_of_text(done_bytes, all_bytes));
    }
    done_bytes += static_cast<std::int64_t>(bytes);
  }

  at::Tensor room(const std::vector<std::int64_t>& shape) const {
    return at::empty(shape, shape.size() > 1 ? scalar_type(dtype) : at::kFloat);
  }

  // Reads into contiguous memory of that shape.
  void into(const std::string& name, const std::vector<std::int64_t>& shape, at::Tensor out) {
    const StoredTensor& stored = weights.find(name, shape);
    report(stored.bytes);
    std::atomic<bool> finite = true;
    const StoredType to = shape.size() > 1 ? dtype : StoredType::f32;
    void* values = out.data_ptr();
    at::parallel_for(0, out.numel(), 1 << 18, [&](std::int64_t first, std::int64_t last) {
      if (!convert(stored, first, last, to, values)) finite = false;
    });
    if (!finite) {
      fail_input(weights.file_of(name), name,
                 std::string("holds NaN or infinite weights, expected finite numbers") +
                     (to == StoredType::f16 ? " that fp16 can hold (up to 65504)" : ""));
    }
    parameters += out.numel();
  }

  at::Tensor operator()(const std::string& name, const std::vector<std::int64_t>& shape) {
    at::Tensor tensor = room(shape);
    into(name, shape, tensor);
    return tensor;
  }

  // Several tensors of the same columns (none = vectors) one below the other in one.
  struct Part {
    std::string name;
    std::int64_t rows;
  };
  at::Tensor stacked(const std::vector<Part>& parts, std::optional<std::int64_t> columns) {
    std::vector<std::int64_t> shape = {0};
    if (columns) shape.push_back(*columns);
    for (const Part& part : parts) shape[0] += part.rows;
    const at::Tensor whole = room(shape);
    std::int64_t row = 0;
    for (const Part& part : parts) {
      shape[0] = part.rows;
      into(part.name, shape, whole.narrow(0, row, part.rows));
      row += part.rows;
    }
    return whole;
  }
};

// A tied model whose file holds a head with other values keeps that head, as in the reference
// software.
bool is_head_stored(const ModelConfig& config, const Weights& weights) {
  if (!config.tied_embeddings) return true;
  if (!weights.has("lm_head.weight")) return false;
  const std::vector<std::int64_t> shape = {config.shape.vocab, config.shape.hidden};
  const StoredTensor& head = weights.find("lm_head.weight", shape);
  const StoredTensor& embedding = weights.find("model.embed_tokens.weight", shape);
  return head.type != embedding.type || std::memcmp(head.data, embedding.data, head.bytes) != 0;
}

}  // namespace

Decoder::Decoder(const ModelConfig& config, const Weights& weights, StoredType dtype,
                 const Progress& progress, const CancelFlag* cancel)
    : config_(config) {
  const ModelShape& s = config.shape;
  const std::int64_t hidden = s.hidden, d = s.head_dim, ffn = config.intermediate;
  const std::int64_t q_rows = s.query_heads * d, kv_rows = s.kv_heads * d;
  WeightReader read{weights, dtype, progress, cancel};
  embedding_ = read("model.embed_tokens.weight", {s.vocab, hidden});
  for (int l = 0; l < s.layers; ++l) {
    const std::string base = "model.layers." + std::to_string(l) + ".";
    const auto attn = [&](const char* name) { return base + "self_attn." + name; };
    const auto mlp = [&](const char* name) { return base + "mlp." + name; };
    Layer layer;
    layer.input_norm = read(base + "input_layernorm.weight", {hidden});
    layer.post_norm = read(base + "post_attention_layernorm.weight", {hidden});
    const auto qkv = [&](const char* kind) {
      return std::vector<WeightReader::Part>{{attn("q_proj.") + kind, q_rows},
                                             {attn("k_proj.") + kind, kv_rows},
                                             {attn("v_proj.") + kind, kv_rows}};
    };
    const auto gate_up = [&](const char* kind) {
      return std::vector<WeightReader::Part>{{mlp("gate_proj.") + kind, ffn},
                                             {mlp("up_proj.") + kind, ffn}};
    };
    layer.qkv = read.stacked(qkv("weight"), hidden);
    layer.out = read(attn("o_proj.weight"), {hidden, q_rows});
    layer.gate_up = read.stacked(gate_up("weight"), hidden);
    layer.down = read(mlp("down_proj.weight"), {hidden, ffn});
    if (config.qkv_bias) layer.qkv_bias = read.stacked(qkv("bias"), std::nullopt);
    if (config.out_bias) layer.out_bias = read(attn("o_proj.bias"), {hidden});
    if (config.mlp_bias) {
      layer.gate_up_bias = read.stacked(gate_up("bias"), std::nullopt);
      layer.down_bias = read(mlp("down_proj.bias"), {hidden});
    }
    if (config.qk_norm) {
      layer.q_norm = read(attn("q_norm.weight"), {d});
      layer.k_norm = read(attn("k_norm.weight"), {d});
    }
    layers_.push_back(std::move(layer));
  }
  norm_ = read("model.norm.weight", {hidden});
  head_ = is_head_stored(config, weights) ? read("lm_head.weight", {s.vocab, hidden}) : embedding_;
  parameters_ = read.parameters;
}

RopeAngles Decoder::angles(const at::Tensor& positions, int sequence) const {
  std::vector<float> frequencies = rope_frequencies(config_.rope, config_.shape.head_dim, sequence);
  const at::Tensor row = at::from_blob(frequencies.data(),
                                       {static_cast<std::int64_t>(frequencies.size())}, at::kFloat);
  const at::Tensor radians = at::outer(positions.to(at::kFloat), row).unsqueeze(1);
  const double scale = config_.rope.attention_factor;
  if (scale == 1) return {radians.cos(), radians.sin()};
  return {radians.cos().mul_(scale), radians.sin().mul_(scale)};
}

at::Tensor Decoder::embed(std::span<const int> ids) const {
  at::Tensor index = at::empty({static_cast<std::int64_t>(ids.size())}, at::kInt);
  std::copy(ids.begin(), ids.end(), index.data_ptr<int>());
  return embedding_.index_select(0, index).to(at::kFloat);
}

at::Tensor Decoder::normed(const at::Tensor& x, const at::Tensor& weight) const {
  const at::Tensor rows = x.contiguous();
  at::Tensor out = at::empty_like(rows);
  const std::int64_t columns = rows.size(1);
  const float* from = rows.const_data_ptr<float>();
  float* to = out.data_ptr<float>();
  const float* scale = weight.const_data_ptr<float>();
  at::parallel_for(0, rows.size(0), grain(columns), [&](std::int64_t first, std::int64_t last) {
    rms_norm_cpu(from + first * columns, scale, static_cast<int>(last - first),
                 static_cast<int>(columns), static_cast<float>(config_.norm_eps),
                 to + first * columns);
  });
  return out;
}

// qkv (tokens, (heads + 2 * kv_heads) * head_dim)
Projected Decoder::split(const Layer& w, const at::Tensor& qkv, int heads, int kv_heads,
                         const RopeAngles& angles) const {
  const std::int64_t tokens = qkv.size(0), d = config_.shape.head_dim;
  Projected p{at::empty({heads, tokens, d}, qkv.options()),
              at::empty({kv_heads, tokens, d}, qkv.options()),
              at::empty({kv_heads, tokens, d}, qkv.options())};
  HeadShape shape{.heads = heads,
                  .kv_heads = kv_heads,
                  .dim = static_cast<int>(d),
                  .tokens = 0,
                  .eps = static_cast<float>(config_.norm_eps)};
  if (config_.qk_norm) {
    shape.q_norm = w.q_norm.const_data_ptr<float>();
    shape.k_norm = w.k_norm.const_data_ptr<float>();
  }
  const at::Tensor rows = qkv.contiguous();
  const at::Tensor cos = angles.cos.contiguous(), sin = angles.sin.contiguous();
  const float *from = rows.const_data_ptr<float>(), *c = cos.const_data_ptr<float>(),
              *n = sin.const_data_ptr<float>();
  float *q = p.q.data_ptr<float>(), *k = p.k.data_ptr<float>(), *v = p.v.data_ptr<float>();
  const std::int64_t width = qkv.size(1);
  at::parallel_for(0, tokens, grain(width), [&](std::int64_t first, std::int64_t last) {
    HeadShape part = shape;
    part.tokens = static_cast<int>(last - first);
    split_heads_cpu(from + first * width, part, c + first * (d / 2), n + first * (d / 2),
                    q + first * d, tokens * d, k + first * d, v + first * d, tokens * d);
  });
  return p;
}

Projected Decoder::project(int layer, const at::Tensor& x, const RopeAngles& angles) const {
  return project_rows(layer, x, angles, config_.shape.query_heads, config_.shape.kv_heads);
}

Projected Decoder::project_keys(int layer, const at::Tensor& x, const RopeAngles& angles) const {
  return project_rows(layer, x, angles, 0, config_.shape.kv_heads);
}

at::Tensor Decoder::queries_before_rope(int layer, const at::Tensor& x) const {
  const at::Tensor ones = at::ones({x.size(0), 1, config_.shape.head_dim / 2}, at::kFloat);
  return project_queries(layer, x, {ones, at::zeros_like(ones)});  // turned by nothing
}

at::Tensor Decoder::project_queries(int layer, const at::Tensor& x,
                                    const RopeAngles& angles) const {
  return project_rows(layer, x, angles, config_.shape.query_heads, 0).q;
}

// The first `heads` query heads and kv_heads keys and values; either may be none.
Projected Decoder::project_rows(int layer, const at::Tensor& x, const RopeAngles& angles, int heads,
                                int kv_heads) const {
  const Layer& w = layers_[layer];
  const ModelShape& s = config_.shape;
  const std::int64_t first = heads > 0 ? 0 : static_cast<std::int64_t>(s.query_heads) * s.head_dim;
  const std::int64_t rows = static_cast<std::int64_t>(heads + 2 * kv_heads) * s.head_dim;
  const at::Tensor bias = w.qkv_bias.defined() ? w.qkv_bias.narrow(0, first, rows) : at::Tensor();
  return split(w, affine(normed(x, w.input_norm), w.qkv.narrow(0, first, rows), bias), heads,
               kv_heads, angles);
}

at::Tensor Decoder::attention_output(int layer, const at::Tensor& attention) const {
  return affine(attention, layers_[layer].out, layers_[layer].out_bias);
}

at::Tensor Decoder::finish(int layer, const at::Tensor& x, const at::Tensor& attention) const {
  const Layer& w = layers_[layer];
  const at::Tensor mid = attention_output(layer, attention).add_(x);
  const at::Tensor gate_up = affine(normed(mid, w.post_norm), w.gate_up, w.gate_up_bias);
  const std::int64_t ffn = config_.intermediate;
  const at::Tensor gated = at::empty({x.size(0), ffn}, x.options());
  const float* from = gate_up.const_data_ptr<float>();
  float* to = gated.data_ptr<float>();
  at::parallel_for(0, x.size(0), grain(ffn), [&](std::int64_t first, std::int64_t last) {
    silu_gate_cpu(from + first * 2 * ffn, static_cast<int>(last - first), static_cast<int>(ffn),
                  to + first * ffn);
  });
  return affine(gated, w.down, w.down_bias).add_(mid);
}

at::Tensor Decoder::final_norm(const at::Tensor& x) const { return normed(x, norm_); }

at::Tensor Decoder::logits(const at::Tensor& x) const { return affine(final_norm(x), head_); }

}  // namespace polykv
