#include "core/model/decoder.h"

#include <ATen/Parallel.h>

#include <atomic>

#include "core/error.h"
#include "core/model/rope.h"
#include "core/model/widen.h"
#include "core/text.h"

namespace polykv {
namespace {

// Reads tensors by name and shape, widened to fp32, and counts the parameters. Says how far it is
// and looks at cancel before every tensor.
struct WeightReader {
  const Weights& weights;
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

  // Reads into contiguous fp32 memory of that shape.
  void into(const std::string& name, const std::vector<std::int64_t>& shape, at::Tensor out) {
    const StoredTensor& stored = weights.find(name, shape);
    report(stored.bytes);
    std::atomic<bool> finite = true;
    float* values = out.data_ptr<float>();
    at::parallel_for(0, out.numel(), 1 << 18, [&](std::int64_t first, std::int64_t last) {
      if (!widen(stored, first, last, values)) finite = false;
    });
    if (!finite) {
      fail_input(weights.file_of(name), name,
                 "holds NaN or infinite weights, expected finite numbers");
    }
    parameters += out.numel();
  }

  at::Tensor operator()(const std::string& name, const std::vector<std::int64_t>& shape) {
    at::Tensor tensor = at::empty(shape, at::kFloat);
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
    const at::Tensor whole = at::empty(shape, at::kFloat);
    std::int64_t row = 0;
    for (const Part& part : parts) {
      shape[0] = part.rows;
      into(part.name, shape, whole.narrow(0, row, part.rows));
      row += part.rows;
    }
    return whole;
  }
};

}  // namespace

Decoder::Decoder(const ModelConfig& config, const Weights& weights, const Progress& progress,
                 const CancelFlag* cancel)
    : config_(config) {
  const ModelShape& s = config.shape;
  const std::int64_t hidden = s.hidden, d = s.head_dim, ffn = config.intermediate;
  const std::int64_t q_rows = s.query_heads * d, kv_rows = s.kv_heads * d;
  WeightReader read{weights, progress, cancel};
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
  head_ = config.tied_embeddings ? embedding_ : read("lm_head.weight", {s.vocab, hidden});
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
  return embedding_.index_select(0, index);
}

// heads (tokens, heads, head_dim): channel i pairs with i + head_dim / 2.
at::Tensor Decoder::rotate(const at::Tensor& heads, const RopeAngles& angles) const {
  const std::int64_t half = config_.shape.head_dim / 2;
  const at::Tensor a = heads.narrow(2, 0, half), b = heads.narrow(2, half, half);
  at::Tensor out = at::empty(heads.sizes(), heads.options());
  at::Tensor first = out.narrow(2, 0, half), second = out.narrow(2, half, half);
  at::mul_out(first, a, angles.cos).addcmul_(b, angles.sin, -1);
  at::mul_out(second, b, angles.cos).addcmul_(a, angles.sin);
  return out;
}

Projected Decoder::project(int layer, const at::Tensor& x, const RopeAngles& angles) const {
  const Layer& w = layers_[layer];
  const ModelShape& s = config_.shape;
  const at::Tensor normed = at::rms_norm(x, {s.hidden}, w.input_norm, config_.norm_eps);
  const at::Tensor qkv = at::linear(normed, w.qkv, w.qkv_bias)
                             .view({x.size(0), s.query_heads + 2 * s.kv_heads, s.head_dim});
  at::Tensor qk = qkv.narrow(1, 0, s.query_heads + s.kv_heads);
  if (config_.qk_norm) {
    qk = at::cat(
        {at::rms_norm(qkv.narrow(1, 0, s.query_heads), {s.head_dim}, w.q_norm, config_.norm_eps),
         at::rms_norm(qkv.narrow(1, s.query_heads, s.kv_heads), {s.head_dim}, w.k_norm,
                      config_.norm_eps)},
        1);
  }
  const at::Tensor rotated = rotate(qk, angles);
  return {rotated.narrow(1, 0, s.query_heads).transpose(0, 1).contiguous(),
          rotated.narrow(1, s.query_heads, s.kv_heads).transpose(0, 1).contiguous(),
          qkv.narrow(1, s.query_heads + s.kv_heads, s.kv_heads).transpose(0, 1).contiguous()};
}

at::Tensor Decoder::queries_before_rope(int layer, const at::Tensor& x) const {
  const Layer& w = layers_[layer];
  const ModelShape& s = config_.shape;
  const std::int64_t rows = static_cast<std::int64_t>(s.query_heads) * s.head_dim;
  const at::Tensor normed = at::rms_norm(x, {s.hidden}, w.input_norm, config_.norm_eps);
  const at::Tensor bias = w.qkv_bias.defined() ? w.qkv_bias.narrow(0, 0, rows) : at::Tensor();
  const at::Tensor q = at::linear(normed, w.qkv.narrow(0, 0, rows), bias)
                           .view({x.size(0), s.query_heads, s.head_dim});
  return config_.qk_norm ? at::rms_norm(q, {s.head_dim}, w.q_norm, config_.norm_eps) : q;
}

at::Tensor Decoder::project_queries(int layer, const at::Tensor& x,
                                    const RopeAngles& angles) const {
  return rotate(queries_before_rope(layer, x), angles).transpose(0, 1).contiguous();
}

at::Tensor Decoder::attention_output(int layer, const at::Tensor& attention) const {
  return at::linear(attention, layers_[layer].out, layers_[layer].out_bias);
}

at::Tensor Decoder::finish(int layer, const at::Tensor& x, const at::Tensor& attention) const {
  const Layer& w = layers_[layer];
  const at::Tensor mid = attention_output(layer, attention).add_(x);
  const at::Tensor normed =
      at::rms_norm(mid, {config_.shape.hidden}, w.post_norm, config_.norm_eps);
  const at::Tensor gate_up = at::linear(normed, w.gate_up, w.gate_up_bias);
  const at::Tensor gated = at::silu(gate_up.narrow(1, 0, config_.intermediate))
                               .mul_(gate_up.narrow(1, config_.intermediate, config_.intermediate));
  return at::linear(gated, w.down, w.down_bias).add_(mid);
}

at::Tensor Decoder::final_norm(const at::Tensor& x) const {
  return at::rms_norm(x, {config_.shape.hidden}, norm_, config_.norm_eps);
}

at::Tensor Decoder::logits(const at::Tensor& x) const { return at::linear(final_norm(x), head_); }

}  // namespace polykv
