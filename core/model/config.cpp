#include "core/model/config.h"

#include <filesystem>

#include "core/model/json_fields.h"

namespace polykv {
namespace {

// What the families differ in. One decoder runs all of them.
struct Family {
  const char* architecture;
  bool qkv_bias_always;  // Qwen2: query, key and value have a bias whatever the config says
  bool qk_norm;
};
constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", false, false},
    {"MistralForCausalLM", false, false},
    {"Qwen2ForCausalLM", true, false},
    {"Qwen3ForCausalLM", false, true},
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
  if (rope.kind != "linear" && rope.kind != "llama3") {
    scaling.fail("rope_type",
                 "'" + rope.kind + "' is not supported, expected default, linear or llama3");
  }
  rope.factor = scaling.above_zero("factor");
  if (rope.kind == "llama3") {
    rope.low_freq_factor = scaling.above_zero("low_freq_factor");
    rope.high_freq_factor = scaling.above_zero("high_freq_factor");
    rope.original_max_tokens = scaling.positive("original_max_position_embeddings");
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      scaling.fail("high_freq_factor", "expected more than low_freq_factor");
    }
  }
  return rope;
}

std::vector<int> read_ids(const JsonFields& fields, const std::string& key) {
  std::vector<int> ids;
  if (!fields.has(key)) return ids;
  const Json& value = fields.at(key);
  for (const Json& id : value.is_array() ? value : Json::array({value})) {
    if (!id.is_number_integer()) fields.fail(key, "expected token ids, found " + id.dump());
    ids.push_back(id.get<int>());
  }
  return ids;
}

void check_sliding_window(const JsonFields& fields) {
  if (!fields.has("sliding_window") || !fields.flag_or("use_sliding_window", true)) return;
  fields.fail("sliding_window", "sliding-window attention is not supported yet, expected null");
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
  check_sliding_window(fields);
  if (fields.text_or("hidden_act", "silu") != "silu") {
    fields.fail("hidden_act", "expected silu, found " + fields.at("hidden_act").dump());
  }

  ModelShape& shape = config.shape;
  shape.layers = fields.positive("num_hidden_layers");
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
  if (shape.head_dim % 2 != 0) fields.fail("head_dim", "expected an even number for RoPE");

  config.intermediate = fields.positive("intermediate_size");
  config.norm_eps = fields.above_zero_or("rms_norm_eps", 1e-6);
  config.tied_embeddings = fields.flag_or("tie_word_embeddings", false);
  const bool attention_bias = fields.flag_or("attention_bias", false);
  config.qkv_bias = family.qkv_bias_always || attention_bias;
  config.out_bias = !family.qkv_bias_always && attention_bias;
  config.mlp_bias = fields.flag_or("mlp_bias", false);
  config.qk_norm = family.qk_norm;
  config.rope = read_rope(fields, json, file);
  config.stored_dtype = fields.text_or("dtype", fields.text_or("torch_dtype", "float32"));

  config.eos_ids = read_ids(fields, "eos_token_id");
  const std::string generation = folder + "/generation_config.json";
  if (std::filesystem::exists(generation)) {
    const Json extra = read_json_file(generation);
    const std::vector<int> ids = read_ids(JsonFields(extra, generation), "eos_token_id");
    if (!ids.empty()) config.eos_ids = ids;
  }
  const std::vector<int> bos = read_ids(fields, "bos_token_id");
  if (!bos.empty()) config.bos_id = bos[0];
  return config;
}

}  // namespace polykv
