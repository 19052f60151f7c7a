#include "core/bench/random_model.h"

#include <stdlib.h>

#include <cmath>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/model/safetensors.h"

namespace polykv {
namespace {

namespace fs = std::filesystem;

Json config_of(const ModelShape& shape, int intermediate) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", shape.hidden},
          {"intermediate_size", intermediate},
          {"num_hidden_layers", shape.layers},
          {"num_attention_heads", shape.query_heads},
          {"num_key_value_heads", shape.kv_heads},
          {"head_dim", shape.head_dim},
          {"vocab_size", shape.vocab},
          {"max_position_embeddings", shape.max_tokens},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 500000.0},
          {"hidden_act", "silu"},
          {"tie_word_embeddings", true},
          {"torch_dtype", "float32"}};
}

// Even noise of variance 1 / columns: outputs as large as inputs.
std::vector<FloatTensor> tensors_of(const ModelShape& shape, int intermediate,
                                    std::uint64_t state) {
  std::vector<FloatTensor> all;
  const auto add = [&](const std::string& name, int rows, int columns) {
    FloatTensor tensor{name, {rows, columns}, {}};
    tensor.values.resize(static_cast<std::size_t>(rows) * columns);
    const double width = std::sqrt(12.0 / columns) / (std::uint64_t{1} << 32);
    for (float& value : tensor.values) {  // Knuth's linear congruence: noise is all it must be
      state = state * 6364136223846793005u + 1442695040888963407u;
      value = static_cast<float>((double(state >> 32) - double(1u << 31)) * width);
    }
    all.push_back(std::move(tensor));
  };
  const auto ones = [&](const std::string& name) {
    all.push_back({name, {shape.hidden}, std::vector<float>(shape.hidden, 1.0f)});
  };
  const int queries = shape.query_heads * shape.head_dim, keys = shape.kv_heads * shape.head_dim;
  add("model.embed_tokens.weight", shape.vocab, shape.hidden);
  for (int l = 0; l < shape.layers; ++l) {
    const std::string base = "model.layers." + std::to_string(l) + ".";
    ones(base + "input_layernorm.weight");
    add(base + "self_attn.q_proj.weight", queries, shape.hidden);
    add(base + "self_attn.k_proj.weight", keys, shape.hidden);
    add(base + "self_attn.v_proj.weight", keys, shape.hidden);
    add(base + "self_attn.o_proj.weight", shape.hidden, queries);
    ones(base + "post_attention_layernorm.weight");
    add(base + "mlp.gate_proj.weight", intermediate, shape.hidden);
    add(base + "mlp.up_proj.weight", intermediate, shape.hidden);
    add(base + "mlp.down_proj.weight", shape.hidden, intermediate);
  }
  ones("model.norm.weight");
  return all;
}

}  // namespace

RandomModel::RandomModel(const ModelShape& shape, int intermediate, std::uint64_t seed) {
  std::string name = (fs::temp_directory_path() / "polykv-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorKind::failed, "bench: no temporary folder at " + name);
  }
  folder_ = name;
  write_file_atomic((folder_ / "config.json").string(), config_of(shape, intermediate).dump());
  write_safetensors((folder_ / "model.safetensors").string(),
                    tensors_of(shape, intermediate, seed));
}

RandomModel::~RandomModel() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

}  // namespace polykv
