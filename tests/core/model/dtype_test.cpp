#include "core/model/dtype.h"

#include <catch2/catch.hpp>

#include "core/cache/engine.h"
#include "core/error.h"
#include "core/model/model.h"
#include "core/model/widen.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

const char* kModels[] = {"llama_gqa",      "qwen2_tied",  "qwen3_qknorm", "llama_linear",
                         "llama_mha_yarn", "mistral_gqa", "mistral_swa"};
constexpr StoredType kTypes[] = {StoredType::f32, StoredType::f16, StoredType::bf16};

std::vector<float> logits_of(const Model& model, const std::vector<int>& ids) {
  const ScratchFolder scratch;
  LogitsRequest request;
  request.ids = ids;
  request.out = scratch.file("out.safetensors");
  write_logits(model, request);
  const SafetensorsFile file(request.out);
  const StoredTensor& t = file.tensors().at("logits");
  std::vector<float> out(t.bytes / 4);
  std::memcpy(out.data(), t.data, t.bytes);
  return out;
}

// A copy of the folder with every matrix rounded to `type` and written as fp32.
void copy_rounded(const std::string& folder, StoredType type, const ScratchFolder& to) {
  for (const char* name : {"config.json", "tokenizer.json"}) {
    std::filesystem::copy_file(folder + "/" + name, to.file(name));
  }
  std::vector<FloatTensor> tensors;
  const Weights weights(folder);
  for (const auto& file : weights.files()) {
    for (const auto& [name, tensor] : file->tensors()) {
      FloatTensor copy{name, tensor.shape, {}};
      std::size_t count = 1;
      for (const std::int64_t side : tensor.shape) count *= static_cast<std::size_t>(side);
      copy.values.resize(count);
      if (tensor.shape.size() > 1) {
        std::vector<std::uint32_t> words(count);  // room for any type
        REQUIRE(convert(tensor, 0, count, type, words.data()));
        StoredTensor rounded{type, tensor.shape, reinterpret_cast<unsigned char*>(words.data()), 0};
        REQUIRE(widen(rounded, 0, count, copy.values.data()));
      } else {
        REQUIRE(widen(tensor, 0, count, copy.values.data()));
      }
      tensors.push_back(std::move(copy));
    }
  }
  write_safetensors(to.file("model.safetensors"), tensors);
}

}  // namespace

TEST_CASE("a model kept in the type of its file gives the reference's logits and tokens") {
  for (const std::string name : kModels) {
    const std::string folder = golden("models/" + name);
    const StoredType stored = Weights(folder).files()[0]->tensors().begin()->second.type;
    const auto model = Model::open(folder, {}, nullptr, stored);
    CHECK(model->dtype() == stored);
    const GoldenFile reference(golden("logits/" + name + ".safetensors"));
    for (const std::string size : {"short", "long"}) {
      if (!reference.has(size + ".input_ids")) continue;
      INFO(name << " " << size << " " << dtype_name(stored));
      const std::vector<int> ids = reference.ints(size + ".input_ids");
      CHECK(largest_difference(logits_of(*model, ids), reference.floats(size + ".logits")) <= 2e-4);
      GenerateRequest request;
      request.context = ids;
      request.stop_at_eos = false;
      CHECK(generate(*model, request).ids == reference.ints(size + ".greedy"));
    }
  }
}

TEST_CASE("computing in bf16 or fp16 adds no more than 1e-4 to what rounding the weights does") {
  for (const std::string name : kModels) {
    const std::string folder = golden("models/" + name);
    const GoldenFile reference(golden("logits/" + name + ".safetensors"));
    const std::vector<int> ids = reference.ints("short.input_ids");
    for (const StoredType type : {StoredType::bf16, StoredType::f16}) {
      const ScratchFolder rounded;
      copy_rounded(folder, type, rounded);
      const auto narrow = Model::open(folder, {}, nullptr, type);
      const auto wide = Model::open(rounded.path, {}, nullptr, StoredType::f32);
      INFO(name << " " << dtype_name(type));
      CHECK(largest_difference(logits_of(*narrow, ids), logits_of(*wide, ids)) <= 1e-4);
    }
  }
}

TEST_CASE("bytes of weights count matrices in the dtype and vectors in fp32") {
  const ScratchFolder folder;
  write_safetensors(folder.file("model.safetensors"), {{"matrix", {3, 5}, std::vector<float>(15)},
                                                       {"vector", {7}, std::vector<float>(7)}});
  const Weights weights(folder.path);
  CHECK(weight_bytes(weights, StoredType::f32) == 15 * 4 + 7 * 4);
  CHECK(weight_bytes(weights, StoredType::bf16) == 15 * 2 + 7 * 4);
  CHECK(default_dtype(weights) == StoredType::f32);
}

TEST_CASE("every word of --dtype names its type and no other word does") {
  for (const StoredType type : kTypes) CHECK(dtype_from(dtype_name(type)) == type);
  CHECK(dtype_from("float32") == StoredType::f32);
  CHECK(dtype_from("float16") == StoredType::f16);
  CHECK(dtype_from("bfloat16") == StoredType::bf16);
  CHECK(!dtype_from("int8"));
  CHECK(!dtype_from(""));
}

TEST_CASE("a number that fp16 cannot hold is refused by name and fits bf16") {
  const ScratchFolder folder;
  copy_rounded(golden("models/llama_linear"), StoredType::f32, folder);
  std::vector<FloatTensor> tensors;
  {
    const SafetensorsFile file(folder.file("model.safetensors"));
    for (const auto& [name, tensor] : file.tensors()) {
      FloatTensor copy{name, tensor.shape, std::vector<float>(tensor.bytes / 4)};
      REQUIRE(widen(tensor, 0, copy.values.size(), copy.values.data()));
      if (name == "lm_head.weight") copy.values[3] = 65520.0f;  // rounds to 65536
      tensors.push_back(std::move(copy));
    }
  }
  write_safetensors(folder.file("model.safetensors"), tensors);
  CHECK_NOTHROW(Model::open(folder.path, {}, nullptr, StoredType::bf16));
  CHECK_THROWS_WITH(Model::open(folder.path, {}, nullptr, StoredType::f16),
                    Catch::Contains("lm_head.weight") && Catch::Contains("65504"));
}
