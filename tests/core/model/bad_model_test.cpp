#include <catch2/catch.hpp>
#include <cstring>
#include <functional>

#include "core/error.h"
#include "core/files.h"
#include "core/model/model.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

// A copy of a small model whose parts a test damages.
struct Broken {
  Broken() {
    std::filesystem::copy(golden("models/llama_linear"), folder.path,
                          std::filesystem::copy_options::recursive);
  }
  void config(const std::function<void(Json&)>& edit) {
    Json json = read_json_file(folder.file("config.json"));
    edit(json);
    folder.write("config.json", json.dump());
  }
  // Rewrites the safetensors header; the data stays.
  void header(const std::function<void(Json&)>& edit) {
    std::string bytes = read_text_file(folder.file("model.safetensors"));
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    Json json = Json::parse(bytes.substr(8, length));
    edit(json);
    const std::string text = json.dump();
    const std::uint64_t size = text.size();
    std::string out(8, '\0');
    std::memcpy(out.data(), &size, 8);
    folder.write("model.safetensors", out + text + bytes.substr(8 + length));
  }
  void weights(const std::function<void(std::string&)>& edit) {
    std::string bytes = read_text_file(folder.file("model.safetensors"));
    edit(bytes);
    folder.write("model.safetensors", bytes);
  }
  std::string error() const {
    try {
      Model::open(folder.path);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::input);
      return error.what();
    }
    return "opened without an error";
  }
  ScratchFolder folder;
};

constexpr const char* kNorm = "model.layers.0.input_layernorm.weight";

}  // namespace

TEST_CASE("an undamaged copy opens") { CHECK(Broken().error() == "opened without an error"); }

TEST_CASE("a broken config is named with file, key and expectation") {
  const struct {
    std::function<void(Json&)> edit;
    const char *key, *expectation;
  } rows[] = {
      {[](Json& j) { j["architectures"] = {"GPT2LMHeadModel"}; }, "architectures",
       "LlamaForCausalLM"},
      {[](Json& j) { j.erase("architectures"); }, "architectures", "missing"},
      {[](Json& j) { j["num_hidden_layers"] = 0; }, "num_hidden_layers", "at least 1"},
      {[](Json& j) { j["num_hidden_layers"] = "two"; }, "num_hidden_layers", "whole number"},
      {[](Json& j) { j.erase("hidden_size"); }, "hidden_size", "missing"},
      {[](Json& j) { j["num_key_value_heads"] = 3; }, "num_key_value_heads", "divisor"},
      {[](Json& j) { j["rope_scaling"]["type"] = "longrope"; }, "rope_scaling", "not supported"},
      {[](Json& j) { j["rope_scaling"]["factor"] = -1; }, "rope_scaling.factor", "above 0"},
      {[](Json& j) {
         j["architectures"] = {"MistralForCausalLM"};
         j["sliding_window"] = "wide";
       },
       "sliding_window", "whole number"},
      {[](Json& j) { j["hidden_act"] = "gelu"; }, "hidden_act", "silu"},
      {[](Json& j) { j = Json::array(); }, "", "object"},
  };
  for (const auto& row : rows) {
    Broken broken;
    broken.config(row.edit);
    const std::string error = broken.error();
    INFO(error);
    CHECK(error.find("config.json") != std::string::npos);
    CHECK(error.find(row.key) != std::string::npos);
    CHECK(error.find(row.expectation) != std::string::npos);
  }
}

TEST_CASE("a broken weight file is named with file, tensor and expectation") {
  const auto header = [](const std::function<void(Json&)>& edit) {
    return [edit](Broken& b) { b.header(edit); };
  };
  const struct {
    std::function<void(Broken&)> damage;
    const char *key, *expectation;
  } rows[] = {
      {[](Broken& b) { std::filesystem::remove(b.folder.file("model.safetensors")); }, "",
       "cannot be opened"},
      {[](Broken& b) { b.weights([](std::string& s) { s.resize(s.size() / 2); }); }, "",
       "truncated"},
      {[](Broken& b) { b.weights([](std::string& s) { s.resize(5); }); }, "", "at least 8 bytes"},
      {[](Broken& b) { b.weights([](std::string& s) { s[7] = '\x10'; }); }, "header", "truncated"},
      {[](Broken& b) { b.weights([](std::string& s) { s[8] = '['; }); }, "header", ""},
      {header([](Json& j) { j.erase(kNorm); }), kNorm, "missing"},
      {header([](Json& j) {
         j[kNorm]["shape"] = {16, 2};
       }),
       kNorm, "expected shape [32]"},
      {header([](Json& j) { j[kNorm]["shape"] = {31}; }), kNorm, "bytes"},
      {header([](Json& j) {
         j[kNorm]["shape"] = {1ull << 62, 8};
       }),
       kNorm, "larger than the file"},
      {header([](Json& j) { j[kNorm]["shape"] = {-32}; }), kNorm, "whole numbers"},
      {header([](Json& j) { j[kNorm]["dtype"] = "I32"; }), kNorm, "not supported"},
      {header([](Json& j) {
         j[kNorm]["data_offsets"] = {8, 4};
       }),
       kNorm, "outside"},
      {header([](Json& j) { j[kNorm]["data_offsets"] = j["model.norm.weight"]["data_offsets"]; }),
       "data_offsets", "overlap"},
      {header([](Json& j) { j[kNorm] = 3; }), kNorm, "expected dtype"},
      {[](Broken& b) {
         b.weights([](std::string& s) {
           const float nan = NAN;
           std::memcpy(s.data() + s.size() - 4, &nan, 4);
         });
       },
       "", "NaN"},
  };
  int at = 0;
  for (const auto& row : rows) {
    Broken broken;
    row.damage(broken);
    const std::string error = broken.error();
    INFO(at++ << ": " << error);
    CHECK(error.find("model.safetensors") != std::string::npos);
    CHECK(error.find(row.key) != std::string::npos);
    CHECK(error.find(row.expectation) != std::string::npos);
  }
}

TEST_CASE("a folder without a tokenizer or that is no folder is refused by name") {
  Broken broken;
  std::filesystem::remove(broken.folder.file("tokenizer.json"));
  CHECK(broken.error().find("tokenizer.json") != std::string::npos);
  CHECK_THROWS_WITH(Model::open("/nonexistent"), Catch::Contains("/nonexistent"));
}

TEST_CASE("new and old style config keys mean the same") {
  Broken broken;
  broken.config([](Json& j) {
    Json rope = j["rope_scaling"];
    rope["rope_theta"] = j["rope_theta"];
    rope["rope_type"] = rope["type"];
    rope.erase("type");
    j["rope_parameters"] = rope;
    j["dtype"] = j["torch_dtype"];
    for (const char* old : {"rope_scaling", "rope_theta", "torch_dtype"}) j.erase(old);
  });
  const ModelConfig now = read_config(broken.folder.path);
  const ModelConfig before = read_config(golden("models/llama_linear"));
  CHECK(now.rope.kind == "linear");
  CHECK(now.rope.kind == before.rope.kind);
  CHECK(now.rope.theta == before.rope.theta);
  CHECK(now.rope.factor == before.rope.factor);
  CHECK(now.stored_dtype == before.stored_dtype);
}
