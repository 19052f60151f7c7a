#include "core/model/config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>

#include "core/model/json_fields.h"

namespace polykv {
namespace {

enum class Window { none, every_layer, chosen_layers };

// What the families differ in, and what a config means that leaves a number out (0: follows from
// the others). One decoder runs all of them. Source: the configuration classes of transformers.
struct Family {
  const char* architecture;
  bool qkv_bias_always;           // query, key and value have a bias whatever the config says
  bool attention_bias, mlp_bias;  // the key of that name means something
  bool qk_norm;
  Window windows;
  int kv_heads, head_dim, max_tokens;
};
constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", false, true, true, false, Window::none, 0, 0, 2048},
    {"MistralForCausalLM", false, false, false, false, Window::every_layer, 8, 0, 131072},
    {"Qwen2ForCausalLM", true, false, false, false, Window::chosen_layers, 32, 0, 32768},
    {"Qwen3ForCausalLM", false, true, false, true, Window::chosen_layers, 32, 128, 32768},
};
constexpr int kWindow = 4096, kMaxWindowLayers = 28;  // where a windowed family leaves them out

const Family& find_family(const std::string& architecture, const std::string& file) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (architecture == family.architecture) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.architecture);
  }
  fail_input(file, "architectures",
             "'" + architecture + "' is not supported, expected one of " + known);
}

// YaRN's attention temperature (arXiv 2309.00071, section 3.4), as a factor on cos and sin.
double yarn_scale(double factor, double weight) {
  return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1;
}

void read_yarn(const JsonFields& scaling, RopeSettings& rope) {
  rope.beta_fast = scaling.above_zero_or("beta_fast", 32);
  rope.beta_slow = scaling.above_zero_or("beta_slow", 1);
  rope.truncate = scaling.flag_or("truncate", true);
  double scale = yarn_scale(rope.factor, 1);
  if (scaling.has("mscale") && scaling.has("mscale_all_dim")) {
    scale = yarn_scale(rope.factor, scaling.above_zero("mscale")) /
            yarn_scale(rope.factor, scaling.above_zero("mscale_all_dim"));
    if (!(scale > 0) || !std::isfinite(scale)) {
      scaling.fail("mscale", "expected a scale that a double holds");
    }
  }
  rope.attention_factor = scaling.above_zero_or("attention_factor", scale);
}

void refuse_partial_rotation(const JsonFields& fields) {
  if (fields.has("partial_rotary_factor") && fields.above_zero("partial_rotary_factor") != 1) {
    fields.fail("partial_rotary_factor",
                "is not supported, expected 1: RoPE turns every channel of a head");
  }
}

RopeSettings read_rope(const JsonFields& fields, const Json& config, const std::string& file,
                       int max_tokens) {
  RopeSettings rope;
  // New style keeps theta and scaling in rope_parameters, old style in rope_theta + rope_scaling,
  // which goes first where both stand.
  const bool old_style = fields.has("rope_scaling") &&
                         (!fields.has("rope_parameters") || !config["rope_scaling"].empty());
  const std::string group = old_style ? "rope_scaling" : "rope_parameters";
  refuse_partial_rotation(fields);
  rope.theta = fields.above_zero_or("rope_theta", rope.theta);
  if (!fields.has(group)) return rope;
  const JsonFields scaling(config.at(group), file, group + ".");
  for (const char* kind : {"full_attention", "sliding_attention"}) {
    if (scaling.has(kind)) scaling.fail(kind, "is not supported, expected one RoPE for all layers");
  }
  refuse_partial_rotation(scaling);
  rope.theta = scaling.above_zero_or("rope_theta", rope.theta);
  rope.kind = scaling.text_or("rope_type", scaling.text_or("type", "default"));
  if (rope.kind == "default") return rope;
  if (rope.kind != "linear" && rope.kind != "dynamic" && rope.kind != "llama3" &&
      rope.kind != "yarn") {
    scaling.fail("rope_type", "'" + rope.kind + "' is not supported, expected default, linear, " +
                                  "dynamic, llama3 or yarn");
  }
  rope.original_max_tokens = max_tokens;
  if (rope.kind == "yarn" || rope.kind == "llama3") {
    rope.original_max_tokens =
        fields.positive_or("original_max_position_embeddings",
                           scaling.positive_or("original_max_position_embeddings", max_tokens));
  }
  // A yarn factor that is written as null is the ratio of the lengths.
  const bool by_ratio = rope.kind == "yarn" && config.at(group).contains("factor");
  rope.factor = by_ratio ? scaling.above_zero_or(
                               "factor", static_cast<double>(max_tokens) / rope.original_max_tokens)
                         : scaling.above_zero("factor");
  if (rope.factor * rope.original_max_tokens > 1e9) {
    scaling.fail("factor", "expected at most 1000000000 positions in all");
  }
  if (rope.kind == "llama3") {
    rope.low_freq_factor = scaling.above_zero("low_freq_factor");
    rope.high_freq_factor = scaling.above_zero("high_freq_factor");
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      scaling.fail("high_freq_factor", "expected more than low_freq_factor");
    }
  }
  if (rope.kind == "yarn") read_yarn(scaling, rope);
  return rope;
}

std::vector<int> read_ids(const JsonFields& fields, const std::string& key) {
  std::vector<int> ids;
  if (!fields.has(key)) return ids;
  const Json& value = fields.at(key);
  for (const Json& id : value.is_array() ? value : Json::array({value})) {
    if (!id.is_number_integer() || id < 0 || id > 1'000'000'000) {
      fields.fail(key, "expected token ids, found " + id.dump());
    }
    ids.push_back(id.get<int>());
  }
  return ids;
}

// Which layers see a window only. Mistral: every layer. Qwen: with use_sliding_window those that
// layer_types names, else those from max_window_layers on.
std::vector<int> read_windows(const JsonFields& fields, const Json& json, int layers, Window kind) {
  std::vector<int> windows(layers, 0);
  if (kind == Window::none) return windows;
  const bool on = kind == Window::every_layer || fields.flag_or("use_sliding_window", false);
  int window = 0;  // null: none
  if (on && (!json.contains("sliding_window") || fields.has("sliding_window"))) {
    window = fields.positive_or("sliding_window", kWindow);
  }
  if (kind == Window::every_layer) {
    windows.assign(layers, window);
    return windows;
  }
  if (fields.has("layer_types")) {
    const Json& types = fields.at("layer_types");
    if (!types.is_array() || static_cast<int>(types.size()) != layers) {
      fields.fail("layer_types", "expected a list of " + std::to_string(layers) + " words");
    }
    for (int l = 0; l < layers; ++l) {
      if (types[l] == "sliding_attention") {
        if (window == 0) {
          fields.fail("layer_types",
                      "says sliding_attention, expected use_sliding_window and sliding_window");
        }
        windows[l] = window;
      } else if (types[l] != "full_attention") {
        fields.fail("layer_types",
                    "expected full_attention or sliding_attention, found " + types[l].dump());
      }
    }
    return windows;
  }
  if (window == 0) return windows;
  int first = kMaxWindowLayers;
  if (fields.has("max_window_layers")) {
    const Json& value = fields.at("max_window_layers");
    if (!value.is_number_integer() || value < 0) {
      fields.fail("max_window_layers",
                  "expected a whole number of at least 0, found " + value.dump());
    }
    first = value > layers ? layers : value.get<int>();
  }
  for (int l = first; l < layers; ++l) windows[l] = window;
  return windows;
}

// A key that is left out means the family's number; null means what follows from the others.
int kv_heads_of(const JsonFields& fields, const Json& json, const Family& family, int heads) {
  if (fields.has("num_key_value_heads")) return fields.positive("num_key_value_heads");
  const bool usual = !json.contains("num_key_value_heads") && family.kv_heads > 0;
  return usual && heads % family.kv_heads == 0 ? family.kv_heads : heads;
}

int head_dim_of(const JsonFields& fields, const Json& json, const Family& family,
                const ModelShape& shape) {
  if (fields.has("head_dim")) return fields.positive("head_dim");
  const bool usual = !json.contains("head_dim") && family.head_dim > 0;
  return usual ? family.head_dim : shape.hidden / shape.query_heads;
}

}  // namespace

ModelConfig read_config(const std::string& folder) {
  const std::string file = folder + "/config.json";
  const Json json = read_json_file(file);
  const JsonFields fields(json, file);
  ModelConfig config;

  const Json& names = fields.at("architectures");
  if (!names.is_array() || names.size() != 1 || !names[0].is_string()) {
    fields.fail("architectures", "expected a list of one name, found " + names.dump());
  }
  config.architecture = names[0].get<std::string>();
  const Family& family = find_family(config.architecture, file);
  if (fields.has("quantization_config")) {
    fields.fail("quantization_config",
                "is not supported, expected weights in float32, float16 or bfloat16");
  }
  if (const std::string act = fields.text_or("hidden_act", "silu");
      act != "silu" && act != "swish") {
    fields.fail("hidden_act", "expected silu, found " + fields.at("hidden_act").dump());
  }

  ModelShape& shape = config.shape;
  shape.layers = fields.positive("num_hidden_layers");
  if (shape.layers > 10'000) fields.fail("num_hidden_layers", "expected at most 10000");
  shape.query_heads = fields.positive("num_attention_heads");
  shape.kv_heads = kv_heads_of(fields, json, family, shape.query_heads);
  shape.hidden = fields.positive("hidden_size");
  shape.head_dim = head_dim_of(fields, json, family, shape);
  shape.vocab = fields.positive("vocab_size");
  shape.max_tokens = fields.positive_or("max_position_embeddings", family.max_tokens);
  if (shape.query_heads % shape.kv_heads != 0) {
    fields.fail("num_key_value_heads", "expected a divisor of num_attention_heads " +
                                           std::to_string(shape.query_heads) + ", found " +
                                           std::to_string(shape.kv_heads));
  }
  if (shape.head_dim < 1 || shape.head_dim % 2 != 0) {
    fields.fail("head_dim",
                "expected an even number for RoPE, found " + std::to_string(shape.head_dim));
  }
  if (std::int64_t{shape.query_heads} * shape.head_dim > 1'000'000'000) {
    fields.fail("head_dim", "expected at most 1000000000 channels in all heads");
  }

  config.windows = read_windows(fields, json, shape.layers, family.windows);
  config.intermediate = fields.positive("intermediate_size");
  config.norm_eps = fields.above_zero_or("rms_norm_eps", 1e-6);
  config.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  config.out_bias = family.attention_bias && fields.flag_or("attention_bias", false);
  config.qkv_bias = family.qkv_bias_always || config.out_bias;
  config.mlp_bias = family.mlp_bias && fields.flag_or("mlp_bias", false);
  config.qk_norm = family.qk_norm;
  config.rope = read_rope(fields, json, file, shape.max_tokens);
  // These kinds stretch the positions of the trained model; llama3 counts them stretched already.
  const RopeSettings& rope = config.rope;
  if (rope.kind == "linear" || rope.kind == "dynamic" || rope.kind == "yarn") {
    shape.max_tokens =
        std::max(shape.max_tokens, static_cast<int>(rope.factor * rope.original_max_tokens));
  }
  config.stored_dtype = fields.text_or("dtype", fields.text_or("torch_dtype", "float32"));

  config.eos_ids = read_ids(fields, "eos_token_id");
  const std::string generation = folder + "/generation_config.json";
  std::error_code ignored;  // a link to itself is there, and is refused when it is read
  const auto found = std::filesystem::status(generation, ignored).type();
  if (found != std::filesystem::file_type::not_found) {
    const Json extra = read_json_file(generation);
    const std::vector<int> ids = read_ids(JsonFields(extra, generation), "eos_token_id");
    if (!ids.empty()) config.eos_ids = ids;
  }
  const std::vector<int> bos = read_ids(fields, "bos_token_id");
  if (!bos.empty()) config.bos_id = bos[0];
  return config;
}

}  // namespace polykv
