#include "core/model/preflight.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/model/dtype.h"
#include "core/model/tokenizer.h"
#include "core/model/weights.h"
#include "core/text.h"

namespace polykv {
namespace {

// Sizes are doubles until the end: a config may claim more than an integer holds.
constexpr double kFloat = sizeof(float);  // scores and log probabilities are always fp32
constexpr double kChunk = 1024;           // rows of a prefill step, kPrefillChunk
constexpr double kTail = 64;              // tokens of a question with its answer
constexpr double kAnswer = 8;             // tokens of an answer

std::int64_t whole(double value) { return static_cast<std::int64_t>(std::min(value, 9e18)); }

struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
};

// Every tensor the decoder asks for.
std::vector<TensorSpec> tensors_of(const ModelConfig& config) {
  const ModelShape& s = config.shape;
  const std::int64_t hidden = s.hidden, d = s.head_dim, ffn = config.intermediate;
  const std::int64_t q = s.query_heads * d, kv = s.kv_heads * d;
  std::vector<TensorSpec> all = {{"model.embed_tokens.weight", {s.vocab, hidden}},
                                 {"model.norm.weight", {hidden}}};
  if (!config.tied_embeddings) all.push_back({"lm_head.weight", {s.vocab, hidden}});
  for (int l = 0; l < s.layers; ++l) {
    const std::string base = "model.layers." + std::to_string(l) + ".";
    const auto add = [&](const char* name, std::vector<std::int64_t> shape) {
      all.push_back({base + name, std::move(shape)});
    };
    add("input_layernorm.weight", {hidden});
    add("post_attention_layernorm.weight", {hidden});
    add("self_attn.q_proj.weight", {q, hidden});
    add("self_attn.k_proj.weight", {kv, hidden});
    add("self_attn.v_proj.weight", {kv, hidden});
    add("self_attn.o_proj.weight", {hidden, q});
    add("mlp.gate_proj.weight", {ffn, hidden});
    add("mlp.up_proj.weight", {ffn, hidden});
    add("mlp.down_proj.weight", {hidden, ffn});
    if (config.qkv_bias) {
      add("self_attn.q_proj.bias", {q});
      add("self_attn.k_proj.bias", {kv});
      add("self_attn.v_proj.bias", {kv});
    }
    if (config.out_bias) add("self_attn.o_proj.bias", {hidden});
    if (config.mlp_bias) {
      add("mlp.gate_proj.bias", {ffn});
      add("mlp.up_proj.bias", {ffn});
      add("mlp.down_proj.bias", {hidden});
    }
    if (config.qk_norm) {
      add("self_attn.q_norm.weight", {d});
      add("self_attn.k_norm.weight", {d});
    }
  }
  return all;
}

// Keys and values of all layers; windowed: a windowed layer holds no more than its window.
double cache_bytes(const ModelConfig& config, const MemoryPlan& plan, bool windowed) {
  double rows = 0;
  for (const int window : config.windows)
    rows += windowed && window > 0 ? std::min(window, plan.tokens) : plan.tokens;
  return 2 * rows * config.shape.kv_heads * config.shape.head_dim * kFloat;
}

std::string needs(std::int64_t bytes, std::int64_t free) {
  return "Needs " + bytes_text(bytes) + ", " + bytes_text(free) + " are free. ";
}

std::string weights_refusal(std::int64_t total, std::int64_t weights, std::int64_t free) {
  return needs(total, free) + "The weights alone take " + bytes_text(weights) +
         "; try a smaller model or close other programs.";
}

bool fits(const ModelConfig& config, MemoryPlan plan, int tokens, int cases) {
  plan.tokens = tokens, plan.cases = cases;
  return memory_need(config, plan).total <= plan.free_bytes;
}

// The nearest smaller plan that fits.
std::string way_out(const ModelConfig& config, const MemoryPlan& plan) {
  const std::vector<int> lengths = card_lengths(config);
  for (auto length = lengths.rbegin(); length != lengths.rend(); ++length) {
    if (*length < plan.tokens && fits(config, plan, *length, plan.cases)) {
      const char* fewer = plan.cases > 1 ? " tokens or fewer cases." : " tokens.";
      return "Try " + count_text(*length) + fewer;
    }
  }
  if (plan.cases > 1 && fits(config, plan, plan.tokens, 1)) return "Try fewer cases.";
  const int shortest = std::min(lengths.front(), plan.tokens);
  if (fits(config, plan, shortest, 1))
    return "Try " + count_text(shortest) + " tokens and fewer cases.";
  return "Try a smaller model or close other programs.";
}

}  // namespace

std::int64_t parameters_of(const ModelConfig& config) {
  double count = 0;
  for (const TensorSpec& tensor : tensors_of(config)) {
    double size = 1;
    for (const std::int64_t side : tensor.shape) size *= static_cast<double>(side);
    count += size;
  }
  return whole(count);
}

std::int64_t weight_bytes(const ModelConfig& config, StoredType dtype) {
  double bytes = 0;
  for (const TensorSpec& tensor : tensors_of(config)) {
    double size = tensor.shape.size() > 1 ? double(dtype_bytes(dtype)) : kFloat;
    for (const std::int64_t side : tensor.shape) size *= static_cast<double>(side);
    bytes += size;
  }
  return whole(bytes);
}

std::vector<int> card_lengths(const ModelConfig& config) {
  std::vector<int> lengths;
  for (int length = 512; length <= std::min(config.shape.max_tokens, 32768); length *= 2)
    lengths.push_back(length);
  if (lengths.empty()) lengths.push_back(config.shape.max_tokens);
  return lengths;
}

FolderFacts read_facts(const std::string& folder) {
  FolderFacts facts;
  std::filesystem::path path = std::filesystem::path(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "DIR/"
  facts.folder = path.string();
  facts.name = path.filename().string();
  try {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored))
      fail_input(folder, "", "expected a Hugging Face model folder");
    facts.config = read_config(facts.folder);
    const Weights weights(facts.folder);
    for (const TensorSpec& tensor : tensors_of(facts.config))
      weights.find(tensor.name, tensor.shape);
    for (const auto& file : weights.files())
      facts.file_bytes += static_cast<std::int64_t>(file->bytes().size());
    Tokenizer::read(facts.folder);
    facts.parameters = parameters_of(facts.config);
    facts.default_dtype = default_dtype(weights);
  } catch (const Error& error) {
    facts.unsupported = error.what();
  }
  return facts;
}

// core/score/case_state.h and core/cache/prompt_state.h say what is kept and when.
MemoryNeed memory_need(const ModelConfig& config, const MemoryPlan& plan) {
  const ModelShape& s = config.shape;
  const double n = plan.tokens, cases = plan.cases;
  const double layers = s.layers, hidden = s.hidden, heads = s.query_heads, kv = s.kv_heads;
  const double d = s.head_dim, ffn = config.intermediate;
  const double all_rows = cache_bytes(config, plan, false), cache = cache_bytes(config, plan, true);

  // A case: the input of every layer and the last output, all keys and values, per layer the
  // attention mass and one score vector, and its log probabilities.
  const double log_p = kAnswer * s.vocab * kFloat;
  const double states =
      (layers + 1) * n * hidden * kFloat + all_rows + 2 * layers * kv * n * kFloat;

  // Prefill: the projections and MLP of a chunk, the angles, and the attention of question and
  // answer over everything.
  const double rows = std::min(n, kChunk);
  const double chunk = rows * (3 * hidden + 3 * (heads + 2 * kv) * d + 3 * ffn) * kFloat;
  const double tail = std::min(n, kTail) * heads * n * 2 * kFloat;
  const double prefill = chunk + tail + n * d * kFloat;
  // A score: tail inputs of every layer, log probabilities and what they go through.
  const double score = cases * ((layers + 1) * kTail * hidden * kFloat + 4 * log_p);

  MemoryNeed need;
  need.weights = weight_bytes(config, plan.dtype);
  need.cache = whole(cache);
  need.caches = whole(cases * cache);
  need.capture = whole(cases * (states + log_p));
  need.working = whole(prefill + score);
  need.total = whole(double(need.weights) + double(need.caches) + double(need.capture) +
                     double(need.working));
  return need;
}

Preflight preflight(const ModelConfig& config, const MemoryPlan& plan) {
  Preflight card;
  card.need = memory_need(config, plan);
  for (const int window : config.windows) {
    if (window > 0) ++card.windowed_layers;
    card.window = std::max(card.window, window);
  }
  card.fits = plan.free_bytes <= 0 || card.need.total <= plan.free_bytes;
  if (card.fits) return card;
  card.reason = card.need.weights > plan.free_bytes
                    ? weights_refusal(card.need.total, card.need.weights, plan.free_bytes)
                    : needs(card.need.total, plan.free_bytes) + way_out(config, plan);
  return card;
}

std::string window_text(const ModelConfig& config, const Preflight& card) {
  if (card.windowed_layers == 0) return "";
  return std::to_string(card.windowed_layers) + " of " + std::to_string(config.shape.layers) +
         " layers keep at most " + count_text(card.window) + " tokens";
}

void check_weights_fit(const ModelConfig& config, const MemoryPlan& plan) {
  const std::int64_t weights = weight_bytes(config, plan.dtype);
  if (plan.free_bytes <= 0 || weights <= plan.free_bytes) return;
  throw Error(ErrorKind::failed, weights_refusal(weights, weights, plan.free_bytes));
}

}  // namespace polykv
