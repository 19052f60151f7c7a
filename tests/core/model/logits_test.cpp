#include <catch2/catch.hpp>

#include "core/cache/engine.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

const char* kModels[] = {"llama_gqa",      "qwen2_tied",  "qwen3_qknorm", "llama_linear",
                         "llama_mha_yarn", "mistral_gqa", "mistral_swa"};
constexpr double kTolerance = 2e-4;  // the fixtures' own bound in fp32

std::vector<float> tensor(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor& t = file.tensors().at(name);
  std::vector<float> out(t.bytes / 4);
  std::memcpy(out.data(), t.data, t.bytes);
  return out;
}

}  // namespace

TEST_CASE("logits, hidden states, keys and values equal the reference software") {
  const ScratchFolder scratch;
  for (const std::string name : kModels) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("logits/" + name + ".safetensors"));
    for (const std::string size : {"short", "long"}) {
      if (!reference.has(size + ".input_ids")) continue;
      INFO(name << " " << size);
      LogitsRequest request;
      request.ids = reference.ints(size + ".input_ids");
      request.hidden = request.keys_values = true;
      request.out = scratch.file("out.safetensors");
      write_logits(*model, request);
      const SafetensorsFile out(request.out);
      CHECK(largest_difference(tensor(out, "logits"), reference.floats(size + ".logits")) <=
            kTolerance);
      if (size == "long") continue;
      std::vector<float> hidden, keys, values;
      for (int l = 0; l < model->shape().layers; ++l) {
        for (auto [all, part] :
             {std::pair{&hidden, "hidden."}, {&keys, "key."}, {&values, "value."}}) {
          const std::vector<float> one = tensor(out, part + std::to_string(l));
          all->insert(all->end(), one.begin(), one.end());
        }
      }
      CHECK(largest_difference(hidden, reference.floats("short.hidden")) <= kTolerance);
      CHECK(largest_difference(keys, reference.floats("short.keys")) <= kTolerance);
      CHECK(largest_difference(values, reference.floats("short.values")) <= kTolerance);
    }
  }
}

TEST_CASE("32 greedy tokens equal the reference software") {
  for (const std::string name : kModels) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("logits/" + name + ".safetensors"));
    for (const std::string size : {"short", "long"}) {
      if (!reference.has(size + ".input_ids")) continue;
      INFO(name << " " << size);
      GenerateRequest request;
      request.context = reference.ints(size + ".input_ids");
      request.stop_at_eos = false;
      CHECK(generate(*model, request).ids == reference.ints(size + ".greedy"));
    }
  }
}

TEST_CASE("the chunk size of the prefill does not change the logits") {
  const ScratchFolder scratch;
  for (const std::string name : {"llama_gqa", "mistral_swa"}) {
    const auto model = Model::open(golden("models/" + name));
    const GoldenFile reference(golden("logits/" + name + ".safetensors"));
    for (const int chunk : {1, 7, 32, 33, 1000}) {
      LogitsRequest request;
      request.ids = reference.ints("long.input_ids");
      request.chunk = chunk;
      request.out = scratch.file("out.safetensors");
      write_logits(*model, request);
      INFO(name << " chunk " << chunk);
      CHECK(largest_difference(tensor(SafetensorsFile(request.out), "logits"),
                               reference.floats("long.logits")) <= 1e-4);
    }
  }
}

TEST_CASE("a windowed layer keeps its window and no more, whatever the plan says") {
  const auto model = Model::open(golden("models/mistral_swa"));
  const GoldenFile reference(golden("logits/mistral_swa.safetensors"));
  GenerateRequest request;
  request.context = reference.ints("long.input_ids");
  request.plan = uniform_plan("knorm", 8, model->shape().layers, QueryVisibility::aware);
  const KeepResult kept = keep(*model, request);
  CHECK(kept.kv_bytes == model->kv_bytes(32) * model->shape().layers);
  for (const KeptRows& layer : kept.layers) {
    CHECK(layer.positions[0].size() == 32);
    CHECK(layer.positions[0].back() == kept.tokens - 1);
  }
  request.stop_at_eos = false;
  CHECK(generate(*model, request).ids == reference.ints("long.greedy"));
}

TEST_CASE("only the last logits are written when asked for") {
  const ScratchFolder scratch;
  const auto model = Model::open(golden("models/llama_gqa"));
  const GoldenFile reference(golden("logits/llama_gqa.safetensors"));
  LogitsRequest request;
  request.ids = reference.ints("short.input_ids");
  request.last = 3;
  request.out = scratch.file("out.safetensors");
  write_logits(*model, request);
  const std::vector<float> all = reference.floats("short.logits");
  const std::vector<float> tail(all.end() - 3 * model->shape().vocab, all.end());
  CHECK(largest_difference(tensor(SafetensorsFile(request.out), "logits"), tail) <= kTolerance);
}

TEST_CASE("a question read after an agnostic cut at full budget changes nothing") {
  const auto model = Model::open(golden("models/llama_gqa"));
  const GoldenFile reference(golden("logits/llama_gqa.safetensors"));
  GenerateRequest whole, split;
  whole.context = reference.ints("short.input_ids");
  whole.stop_at_eos = split.stop_at_eos = false;
  split.context.assign(whole.context.begin(), whole.context.end() - 20);
  split.question.assign(whole.context.end() - 20, whole.context.end());
  split.plan = uniform_plan("snapkv", 1000, model->shape().layers, QueryVisibility::agnostic);
  CHECK(generate(*model, split).ids == generate(*model, whole).ids);
}
