#include <catch2/catch.hpp>

#include "core/cache/engine.h"
#include "core/error.h"
#include "core/files.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

constexpr double kTolerance = 2e-4;  // the bound of the goldens beside, in fp32

// A model folder with the config of a case over its weight file.
struct CaseFolder {
  explicit CaseFolder(const Json& one) {
    const std::string from = golden("families/");
    scratch.write("config.json", one.at("config").dump());
    std::filesystem::create_symlink(from + "tokenizer.json", scratch.file("tokenizer.json"));
    std::filesystem::create_symlink(
        from + one.at("weights").get<std::string>() + ".weights.safetensors",
        scratch.file("model.safetensors"));
  }
  ScratchFolder scratch;
};

std::vector<float> tensor(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor& t = file.tensors().at(name);
  std::vector<float> out(t.bytes / 4);
  std::memcpy(out.data(), t.data, t.bytes);
  return out;
}

// all (groups, n, width) -> (groups, rows, width)
std::vector<float> rows_of(const std::vector<float>& all, std::size_t groups,
                           const std::vector<int>& rows, std::size_t n) {
  const std::size_t width = all.size() / groups / n;
  std::vector<float> out;
  for (std::size_t g = 0; g < groups; ++g) {
    for (const int row : rows) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(
                                           (g * n + static_cast<std::size_t>(row)) * width);
      out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(width));
    }
  }
  return out;
}

Json case_named(const std::string& name) {
  for (const Json& one : read_json_file(golden("families/cases.json"))) {
    if (one.at("name") == name) return one;
  }
  throw std::runtime_error("no case " + name);
}

std::string error_of(const Json& one) {
  const CaseFolder folder(one);
  try {
    Model::open(folder.scratch.path);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("every corner of the families has the reference software's logits, states and tokens") {
  const GoldenFile reference(golden("families/references.safetensors"));
  const Json cases = read_json_file(golden("families/cases.json"));
  REQUIRE(cases.size() > 50);
  for (const Json& one : cases) {
    const std::string name = one.at("name");
    INFO(name);
    const CaseFolder folder(one);
    const auto model = Model::open(folder.scratch.path);
    LogitsRequest request;
    request.ids = reference.ints(name + ".input_ids");
    request.hidden = request.keys_values = true;
    request.out = folder.scratch.file("out.safetensors");
    write_logits(*model, request);
    const SafetensorsFile out(request.out);
    const std::vector<int> rows = reference.ints(name + ".rows");
    const std::size_t n = request.ids.size();
    const auto kv_heads = static_cast<std::size_t>(model->shape().kv_heads);
    std::vector<float> hidden, keys, values;
    for (int l = 0; l < model->shape().layers; ++l) {
      const std::string layer = std::to_string(l);
      for (auto [all, part, groups] : {std::tuple{&hidden, "hidden.", std::size_t{1}},
                                       {&keys, "key.", kv_heads},
                                       {&values, "value.", kv_heads}}) {
        const std::vector<float> some = rows_of(tensor(out, part + layer), groups, rows, n);
        all->insert(all->end(), some.begin(), some.end());
      }
    }
    const std::vector<float> logits = rows_of(tensor(out, "logits"), 1, rows, n);
    CHECK(largest_difference(logits, reference.floats(name + ".logits")) <= kTolerance);
    CHECK(largest_difference(hidden, reference.floats(name + ".hidden")) <= kTolerance);
    CHECK(largest_difference(keys, reference.floats(name + ".keys")) <= kTolerance);
    CHECK(largest_difference(values, reference.floats(name + ".values")) <= kTolerance);
    GenerateRequest more;
    more.context = request.ids;
    more.stop_at_eos = false;
    CHECK(generate(*model, more).ids == reference.ints(name + ".greedy"));
  }
}

TEST_CASE("what a config asks for beyond the supported is refused by key") {
  const struct {
    const char *base, *patch, *key, *word;
  } rows[] = {
      {"mqa", R"({"quantization_config": {"quant_method": "awq"}})", "quantization_config",
       "not supported"},
      {"mqa", R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor", "expected 1"},
      {"new_style", R"({"rope_parameters": {"partial_rotary_factor": 0.5}})",
       "rope_parameters.partial_rotary_factor", "expected 1"},
      {"mqa", R"({"rope_scaling": {"type": "longrope", "factor": 2.0}})", "rope_scaling.rope_type",
       "'longrope' is not supported"},
      {"mqa", R"({"rope_scaling": {"rope_type": "mrope"}})", "rope_scaling.rope_type", "'mrope'"},
      {"mqa", R"({"rope_scaling": {"rope_type": "yarn", "factor": "4"}})", "rope_scaling.factor",
       "a number above 0"},
      {"mqa", R"({"rope_scaling": {"rope_type": "yarn"}})", "rope_scaling.factor", "missing"},
      {"mqa", R"({"rope_parameters": {"full_attention": {"rope_type": "default"}}})",
       "rope_parameters.full_attention", "one RoPE for all layers"},
      {"qwen2_window", R"({"use_sliding_window": false,
          "layer_types": ["full_attention", "sliding_attention", "full_attention",
                          "full_attention"]})",
       "layer_types", "use_sliding_window"},
      {"qwen2_window", R"({"layer_types": ["full_attention"]})", "layer_types", "list of 4"},
      {"qwen2_window", R"({"layer_types": ["full_attention", "chunked_attention", "full_attention",
                                           "full_attention"]})",
       "layer_types", "chunked_attention"},
      {"mqa", R"({"hidden_act": "gelu"})", "hidden_act", "silu"},
      {"mqa", R"({"architectures": ["Qwen3MoeForCausalLM"]})", "architectures", "not supported"},
  };
  for (const auto& row : rows) {
    Json one = case_named(row.base);
    one["config"].merge_patch(Json::parse(row.patch));
    const std::string error = error_of(one);
    INFO(row.patch << " -> " << error);
    CHECK(error.find("config.json: " + std::string(row.key)) != std::string::npos);
    CHECK(error.find(row.word) != std::string::npos);
  }
}

TEST_CASE("kinds of RoPE that stretch positions allow so many tokens more") {
  const auto most = [](const std::string& name) {
    const CaseFolder folder(case_named(name));
    return read_config(folder.scratch.path).shape.max_tokens;
  };
  CHECK(most("mqa") == 512);
  CHECK(most("linear_type") == 2048);         // 4 x 512
  CHECK(most("dynamic_beyond") == 256);       // 4 x 64
  CHECK(most("yarn") == 512);                 // 4 x 64 is less than what the config says
  CHECK(most("yarn_no_original") == 1024);    // 2 x 512
  CHECK(most("llama3") == 512);               // says the stretched length itself
  CHECK(most("positions_left_out") == 2048);  // the family's number
}
