#include "core/model/config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>

#include "core/model/json_fields.h"

namespace polykv {
namespace {

// What the families differ in. One decoder runs all of them.
struct Family {
  const char* architecture;
  bool qkv_bias_always;  // Qwen2: query, key and value have a bias whatever the config says
  bool qk_norm;
  bool windows, windows_on;  // sliding_window means something; without use_sliding_window it is on
};
constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", false, false, false, false},
    {"MistralForCausalLM", false, false, true, true},
    {"Qwen2ForCausalLM", true, false, true, false},
    {"Qwen3ForCausalLM", false, true, true, false},
};

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

RopeSettings read_rope(const JsonFields& fields, const Json& config, const std::string& file) {
  RopeSettings rope;
  // New style keeps theta and scaling in rope_parameters, old style in rope_theta + rope_scaling.
  const bool new_style = fields.has("rope_parameters");
  const std::string group = new_style ? "rope_parameters" : "rope_scaling";
  if (fields.has("rope_theta")) rope.theta = fields.above_zero("rope_theta");
  if (!fields.has(group)) return rope;
  const JsonFields scaling(config.at(group), file, group + ".");
  rope.theta = scaling.above_zero_or("rope_theta", rope.theta);
  rope.kind = scaling.text_or("rope_type", scaling.text_or("type", "default"));
  if (rope.kind == "default") return rope;
  if (rope.kind != "linear" && rope.kind != "dynamic" && rope.kind != "llama3" &&
      rope.kind != "yarn") {
    scaling.fail("rope_type", "'" + rope.kind + "' is not supported, expected default, linear, " +
                                  "dynamic, llama3 or yarn");
  }
  rope.factor = scaling.above_zero("factor");
  if (rope.kind == "dynamic" && rope.factor * fields.positive("max_position_embeddings") > 1e9) {
    scaling.fail("factor", "expected at most 1000000000 positions in all");
  }
  rope.original_max_tokens = scaling.positive_or("original_max_position_embeddings",
                                                 fields.positive("max_position_embeddings"));
  if (rope.kind == "llama3") {
    rope.low_freq_factor = scaling.above_zero("low_freq_factor");
    rope.high_freq_factor = scaling.above_zero("high_freq_factor");
    rope.original_max_tokens = scaling.positive("original_max_position_embeddings");
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

// Which layers see a window only: layer_types says it layer by layer; else every layer, or with
// use_sliding_window (Qwen2, Qwen3) the layers from max_window_layers on.
std::vector<int> read_windows(const JsonFields& fields, int layers, bool on_by_default) {
  std::vector<int> windows(layers, 0);
  if (!fields.has("sliding_window")) return windows;
  if (!fields.flag_or("use_sliding_window", on_by_default)) return windows;
  const int window = fields.positive("sliding_window");
  if (fields.has("layer_types")) {
    const Json& types = fields.at("layer_types");
    if (!types.is_array() || static_cast<int>(types.size()) != layers) {
      fields.fail("layer_types", "expected a list of " + std::to_string(layers) + " words");
    }
    for (int l = 0; l < layers; ++l) {
      if (types[l] == "sliding_attention") {
        windows[l] = window;
      } else if (types[l] != "full_attention") {
        fields.fail("layer_types",
                    "expected full_attention or sliding_attention, found " + types[l].dump());
      }
    }
    return windows;
  }
  int first = 0;
  if (fields.has("use_sliding_window") && fields.has("max_window_layers")) {
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
  if (fields.text_or("hidden_act", "silu") != "silu") {
    fields.fail("hidden_act", "expected silu, found " + fields.at("hidden_act").dump());
  }

  ModelShape& shape = config.shape;
  shape.layers = fields.positive("num_hidden_layers");
  if (shape.layers > 10'000) fields.fail("num_hidden_layers", "expected at most 10000");
  shape.query_heads = fields.positive("num_attention_heads");
  shape.kv_heads = fields.positive_or("num_key_value_heads", shape.query_heads);
  shape.hidden = fields.positive("hidden_size");
  shape.head_dim = fields.positive_or("head_dim", shape.hidden / shape.query_heads);
  shape.vocab = fields.positive("vocab_size");
  shape.max_tokens = fields.positive("max_position_embeddings");
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

  config.windows = family.windows ? read_windows(fields, shape.layers, family.windows_on)
                                  : std::vector<int>(shape.layers, 0);
  config.intermediate = fields.positive("intermediate_size");
  config.norm_eps = fields.above_zero_or("rms_norm_eps", 1e-6);
  config.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  const bool attention_bias = fields.flag_or("attention_bias", false);
  config.qkv_bias = family.qkv_bias_always || attention_bias;
  config.out_bias = !family.qkv_bias_always && attention_bias;
  config.mlp_bias = fields.flag_or("mlp_bias", false);
  config.qk_norm = family.qk_norm;
  config.rope = read_rope(fields, json, file);
  // Dynamic NTK stretches with the length: the model's positions are the stretched ones.
  if (config.rope.kind == "dynamic") {
    shape.max_tokens = static_cast<int>(shape.max_tokens * std::max(1.0, config.rope.factor));
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
