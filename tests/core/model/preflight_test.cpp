#include "core/model/preflight.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "core/error.h"
#include "core/model/model.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

constexpr const char* kModels[] = {"llama_gqa",   "llama_linear", "llama_mha_yarn", "mistral_gqa",
                                   "mistral_swa", "qwen2_tied",   "qwen3_qknorm"};

// A model like Llama 3 8B.
ModelConfig large() {
  ModelConfig config;
  config.shape = {.layers = 32,
                  .query_heads = 32,
                  .kv_heads = 8,
                  .head_dim = 128,
                  .hidden = 4096,
                  .vocab = 128256,
                  .max_tokens = 131072};
  config.intermediate = 14336;
  config.windows.assign(32, 0);
  return config;
}

constexpr double kGiB = 1024.0 * 1024 * 1024;

}  // namespace

TEST_CASE("the card counts the parameters that the decoder of every family then holds") {
  for (const char* name : kModels) {
    INFO(name);
    const FolderFacts facts = read_facts(golden(std::string("models/") + name));
    REQUIRE(facts.supported());
    CHECK(facts.name == name);
    CHECK(facts.parameters == Model::open(facts.folder)->parameters());
  }
}

TEST_CASE("an 8B model in 16 bit needs 2 bytes a parameter, 4 a norm's, and 256 KiB a token") {
  MemoryPlan plan{.tokens = 8192, .cases = 1, .dtype = StoredType::bf16, .free_bytes = 0};
  CHECK(parameters_of(large()) == 8'030'261'248);  // as Meta's checkpoint has
  const MemoryNeed half = memory_need(large(), plan);
  const std::int64_t norms = 65 * 4096;  // two a layer and the last
  CHECK(half.weights == 2 * (8'030'261'248 + norms));
  CHECK(half.cache == 8192LL * 256 * 1024);  // fp32
  // Inputs of 32 layers and the last output, and keys and values, are most of the capture.
  CHECK(half.capture > 33LL * 8192 * 4096 * 4 + half.cache);
  CHECK(half.capture < 1.05 * (33.0 * 8192 * 4096 * 4 + double(half.cache)));
  plan.dtype = StoredType::f32;
  CHECK(memory_need(large(), plan).weights == 4 * 8'030'261'248);
  plan.cases = 3;
  CHECK(memory_need(large(), plan).caches == 3 * half.cache);
}

TEST_CASE("windowed layers need the window only and the card says how many there are") {
  const ModelConfig config = read_config(golden("models/mistral_swa"));
  MemoryPlan plan;
  plan.tokens = 1000;
  const Preflight card = preflight(config, plan);
  CHECK(card.need.cache ==
        2LL * 3 * 3 * 8 * 32 * 4);  // k and v, 3 layers, 3 kv heads of 8, 32 rows
  CHECK(window_text(config, card) == "3 of 3 layers keep at most 32 tokens");
  plan.tokens = 20;  // shorter than the window
  CHECK(memory_need(config, plan).cache == 2LL * 3 * 3 * 8 * 20 * 4);
  const ModelConfig plain = read_config(golden("models/llama_gqa"));
  CHECK(window_text(plain, preflight(plain, plan)).empty());
}

TEST_CASE("a refusal says needed, free and the next smaller plan, which then fits") {
  MemoryPlan plan{.tokens = 8192, .cases = 16, .dtype = StoredType::bf16, .free_bytes = 0};
  CHECK(preflight(large(), plan).fits);  // free memory is unknown
  plan.tokens = 2048;
  plan.free_bytes = memory_need(large(), plan).total + 1000;
  CHECK(preflight(large(), plan).fits);
  plan.tokens = 8192;
  Preflight card = preflight(large(), plan);
  CHECK_FALSE(card.fits);
  CHECK(card.reason.starts_with("Needs "));
  CHECK(card.reason.find(" GiB are free. Try 2,048 tokens or fewer cases.") != std::string::npos);

  plan.free_bytes = static_cast<std::int64_t>(17 * kGiB);
  plan.tokens = 512;
  CHECK(preflight(large(), plan).reason.find("Try fewer cases.") != std::string::npos);
  plan.tokens = 8192;
  CHECK(preflight(large(), plan).reason.find("Try 512 tokens and fewer cases.") !=
        std::string::npos);
  plan.free_bytes = static_cast<std::int64_t>(8 * kGiB);
  card = preflight(large(), plan);
  CHECK(card.reason.find("8.0 GiB are free. The weights alone take 15.0 GiB;") !=
        std::string::npos);
}

TEST_CASE("a model whose weights do not fit is refused before a byte of them is read") {
  const std::string folder = golden("models/llama_gqa");
  const std::int64_t weights = parameters_of(read_config(folder)) * 4;
  int steps = 0;
  const Progress count = [&](double, const std::string&) { ++steps; };
  try {
    Model::open(folder, count, nullptr, {}, weights - 1);
    FAIL("opened");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::failed);
    CHECK(std::string(error.what()).find("The weights alone take") != std::string::npos);
  }
  CHECK(steps == 0);
  CHECK(Model::open(folder, count, nullptr, {}, weights));
  CHECK(steps > 0);
}

TEST_CASE("progress of opening goes by bytes and ends, and a cancel acts within one tensor") {
  const std::string folder = golden("models/qwen3_qknorm");
  std::vector<double> shares;
  std::string first;
  Model::open(folder, [&](double share, const std::string& what) {
    if (shares.empty()) first = what;
    shares.push_back(share);
  });
  CHECK(std::is_sorted(shares.begin(), shares.end()));
  CHECK(shares.size() > 5 * 11);  // 5 layers of 11 tensors
  CHECK(shares.back() == 1.0);
  CHECK(first.starts_with("0.0 of "));

  CancelFlag cancel = false;
  int after = 0;
  const Progress stop = [&](double share, const std::string&) {
    if (cancel) ++after;
    if (share > 0.5) cancel = true;
  };
  CHECK_THROWS_AS(Model::open(folder, stop, &cancel), Cancelled);
  CHECK(after == 0);
}

TEST_CASE("a folder that cannot be opened is not supported, for the reason opening would give") {
  CHECK(read_facts("/nonexistent").unsupported.find("/nonexistent") != std::string::npos);
  const ScratchFolder scratch;
  const auto copy = [&](const char* removed) {
    const std::string folder = scratch.file(removed);
    std::filesystem::copy(golden("models/llama_linear"), folder);
    std::filesystem::remove(folder + "/" + removed);
    return read_facts(folder + "/").unsupported;
  };
  CHECK(copy("tokenizer.json").find("tokenizer.json") != std::string::npos);
  CHECK(copy("model.safetensors").find("model.safetensors") != std::string::npos);
  CHECK(copy("config.json").find("config.json") != std::string::npos);
  CHECK(read_facts(golden("models/llama_linear/")).name == "llama_linear");
}
