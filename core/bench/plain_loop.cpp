#include "core/bench/plain_loop.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>

#include "core/error.h"
#include "core/model/decoder.h"
#include "core/model/rope.h"
#include "core/model/widen.h"

namespace polykv {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct PlainLayer {
  at::Tensor input_norm, q, k, v, o, post_norm, gate, up, down;
};

// x (1, heads, tokens, head_dim), half-split as Llama has it.
at::Tensor rotate_half(const at::Tensor& x) {
  const std::vector<at::Tensor> halves = x.chunk(2, -1);
  return at::cat({-halves[1], halves[0]}, -1);
}

}  // namespace

struct PlainLoop::State {
  ModelConfig config;
  at::Tensor embedding, norm, head, cos, sin;  // cos, sin (max_tokens, head_dim)
  std::vector<PlainLayer> layers;

  at::Tensor heads(const at::Tensor& x, int count) const {
    return x.view({1, x.size(1), count, config.shape.head_dim}).transpose(1, 2);
  }

  // ids (1, t) at positions [at, at + t); keys and values (1, kv_heads, room, head_dim) a layer.
  at::Tensor forward(const at::Tensor& ids, std::int64_t at, std::vector<at::Tensor>& keys,
                     std::vector<at::Tensor>& values) const {
    const ModelShape& s = config.shape;
    const std::int64_t t = ids.size(1);
    const auto normed = [&](const at::Tensor& x, const at::Tensor& weight) {
      return at::rms_norm(x, {s.hidden}, weight, config.norm_eps);
    };
    const at::Tensor c = cos.narrow(0, at, t), n = sin.narrow(0, at, t);
    const auto rope = [&](const at::Tensor& x) { return x * c + rotate_half(x) * n; };
    at::Tensor x = at::embedding(embedding, ids);
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const PlainLayer& w = layers[l];
      const at::Tensor h = normed(x, w.input_norm);
      const at::Tensor q = rope(heads(at::linear(h, w.q), s.query_heads));
      keys[l].narrow(2, at, t).copy_(rope(heads(at::linear(h, w.k), s.kv_heads)));
      values[l].narrow(2, at, t).copy_(heads(at::linear(h, w.v), s.kv_heads));
      const at::Tensor mixed = at::scaled_dot_product_attention(
          q, keys[l].narrow(2, 0, at + t), values[l].narrow(2, 0, at + t), std::nullopt, 0.0,
          /*is_causal=*/t > 1, std::nullopt, /*enable_gqa=*/s.query_heads != s.kv_heads);
      x = x + at::linear(mixed.transpose(1, 2).reshape({1, t, -1}), w.o);
      const at::Tensor m = normed(x, w.post_norm);
      x = x + at::linear(at::silu(at::linear(m, w.gate)) * at::linear(m, w.up), w.down);
    }
    return at::linear(normed(x.narrow(1, t - 1, 1), norm), head);
  }
};

PlainLoop::PlainLoop(const Model& model) : state_(std::make_unique<State>()) {
  const at::InferenceMode guard;
  State& s = *state_;
  s.config = model.config();
  const ModelConfig& c = s.config;
  const bool windows = std::any_of(c.windows.begin(), c.windows.end(), [](int w) { return w > 0; });
  if (c.qkv_bias || c.out_bias || c.mlp_bias || c.qk_norm || windows) {
    fail_input(model.folder() + "/config.json", "architectures",
               "the plain loop knows neither biases, q/k norms nor sliding windows, expected a "
               "plain Llama");
  }
  const Weights weights(model.folder());
  const std::int64_t hidden = c.shape.hidden, d = c.shape.head_dim, ffn = c.intermediate;
  const std::int64_t q_rows = c.shape.query_heads * d, kv_rows = c.shape.kv_heads * d;
  const at::ScalarType type = model.decoder().dtype();
  const auto read = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    const StoredTensor& stored = weights.find(name, shape);
    const at::Tensor wide = at::empty(shape, at::kFloat);
    widen(stored, 0, static_cast<std::size_t>(wide.numel()), wide.data_ptr<float>());
    return wide.to(type);
  };
  s.embedding = read("model.embed_tokens.weight", {c.shape.vocab, hidden});
  for (int l = 0; l < c.shape.layers; ++l) {
    const std::string base = "model.layers." + std::to_string(l) + ".";
    const std::string attn = base + "self_attn.", mlp = base + "mlp.";
    s.layers.push_back({read(base + "input_layernorm.weight", {hidden}),
                        read(attn + "q_proj.weight", {q_rows, hidden}),
                        read(attn + "k_proj.weight", {kv_rows, hidden}),
                        read(attn + "v_proj.weight", {kv_rows, hidden}),
                        read(attn + "o_proj.weight", {hidden, q_rows}),
                        read(base + "post_attention_layernorm.weight", {hidden}),
                        read(mlp + "gate_proj.weight", {ffn, hidden}),
                        read(mlp + "up_proj.weight", {ffn, hidden}),
                        read(mlp + "down_proj.weight", {hidden, ffn})});
  }
  s.norm = read("model.norm.weight", {hidden});
  s.head = c.tied_embeddings ? s.embedding : read("lm_head.weight", {c.shape.vocab, hidden});
  std::vector<float> rates = rope_frequencies(c.rope, c.shape.head_dim, c.shape.max_tokens);
  const at::Tensor row = at::from_blob(rates.data(), {d / 2}, at::kFloat);
  const at::Tensor half = at::outer(at::arange(c.shape.max_tokens, at::kFloat), row);
  const at::Tensor radians = at::cat({half, half}, 1);
  s.cos = (radians.cos() * c.rope.attention_factor).to(type);
  s.sin = (radians.sin() * c.rope.attention_factor).to(type);
}

PlainLoop::~PlainLoop() = default;

PlainRun PlainLoop::run(std::span<const int> prompt, int max_new) const {
  const at::InferenceMode guard;
  const State& s = *state_;
  const ModelShape& shape = s.config.shape;
  const auto tokens = static_cast<std::int64_t>(prompt.size());
  std::vector<at::Tensor> keys, values;
  const Clock::time_point start = Clock::now();
  for (int l = 0; l < shape.layers; ++l) {
    keys.push_back(
        at::empty({1, shape.kv_heads, tokens + max_new, shape.head_dim}, s.embedding.options()));
    values.push_back(at::empty_like(keys.back()));
  }
  at::Tensor ids = at::empty({1, tokens}, at::kLong);
  std::copy(prompt.begin(), prompt.end(), ids.data_ptr<std::int64_t>());
  const auto arg_max = [](const at::Tensor& logits) { return logits.argmax(-1); };  // (1, 1)
  ids = arg_max(s.forward(ids, 0, keys, values));
  PlainRun run;
  run.ids.push_back(static_cast<int>(ids.item<std::int64_t>()));
  run.prefill_ms = milliseconds_since(start);
  const Clock::time_point decode = Clock::now();
  while (static_cast<int>(run.ids.size()) < max_new) {
    const std::int64_t at = tokens + static_cast<std::int64_t>(run.ids.size()) - 1;
    ids = arg_max(s.forward(ids, at, keys, values));
    run.ids.push_back(static_cast<int>(ids.item<std::int64_t>()));
  }
  run.decode_tokens_per_s = double(run.ids.size() - 1) / (milliseconds_since(decode) / 1e3);
  return run;
}

double plain_read_ms(const std::vector<std::string>& files) {
  constexpr std::size_t kBlock = 16 << 20;
  const Clock::time_point start = Clock::now();
  for (const std::string& path : files) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail_input(path, "", "cannot be opened");
    const off_t size = ::lseek(fd, 0, SEEK_END);
    const std::unique_ptr<char[]> memory(new char[static_cast<std::size_t>(size)]);
    std::size_t done = 0;
    while (done < static_cast<std::size_t>(size)) {
      const ssize_t got = ::pread(fd, memory.get() + done, kBlock, static_cast<off_t>(done));
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    ::close(fd);
    if (done != static_cast<std::size_t>(size)) fail_input(path, "", "cannot be read");
  }
  return milliseconds_since(start);
}

}  // namespace polykv
