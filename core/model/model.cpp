#include "core/model/model.h"

#include <ATen/Parallel.h>

#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/memory.h"
#include "core/model/decoder.h"
#include "core/model/dtype.h"
#include "core/model/preflight.h"
#include "core/sha256.h"

namespace polykv {
namespace {

// Config, and of every weight file its size, header and evenly spread blocks; files up to 64 MiB
// are read whole. Tells fine-tunes apart without reading tens of gigabytes.
std::string fingerprint_of(const std::string& config, const Weights& weights) {
  constexpr std::size_t kWhole = 64 << 20, kBlock = 64 << 10, kBlocks = 1024;
  Sha256 hash;
  hash.add(config);
  for (const auto& file : weights.files()) {
    const std::string_view bytes = file->bytes();
    hash.add(std::to_string(bytes.size()));
    if (bytes.size() <= kWhole) {
      hash.add(bytes);
      continue;
    }
    for (std::size_t i = 0; i < kBlocks; ++i) {
      hash.add(bytes.substr((bytes.size() - kBlock) / (kBlocks - 1) * i, kBlock));
    }
  }
  return "sha256:" + hash.hex();
}

}  // namespace

std::shared_ptr<const Model> Model::open(const std::string& folder, const Progress& progress,
                                         const CancelFlag* cancel, std::optional<StoredType> dtype,
                                         std::optional<std::int64_t> free_bytes) {
  const at::InferenceMode guard;
  std::error_code no_folder;  // a link to itself
  if (!std::filesystem::is_directory(folder, no_folder)) {
    fail_input(folder, "", "expected a Hugging Face model folder");
  }
  std::shared_ptr<Model> model(new Model());
  model->folder_ = std::filesystem::path(folder).lexically_normal().string();
  while (model->folder_.size() > 1 && model->folder_.back() == '/') model->folder_.pop_back();
  model->config_ = read_config(model->folder_);
  model->tokenizer_ = std::make_shared<Tokenizer>(Tokenizer::read(model->folder_));
  const Weights weights(model->folder_);
  model->dtype_ = dtype ? *dtype : default_dtype(weights);
  MemoryPlan plan;
  plan.dtype = model->dtype_;
  plan.free_bytes = free_bytes ? *free_bytes : free_memory_bytes();
  check_weights_fit(model->config_, plan);
  model->decoder_ =
      std::make_shared<Decoder>(model->config_, weights, model->dtype_, progress, cancel);
  model->parameters_ = model->decoder_->parameters();
  model->fingerprint_ = fingerprint_of(read_text_file(model->folder_ + "/config.json"), weights);
  model->find_heads();
  if (progress) progress(1.0, "model ready");
  return model;
}

// A list that does not fit must not keep the model from opening: most work needs no heads.
void Model::find_heads() {
  const std::string path = folder_ + "/heads.json";
  if (!std::filesystem::exists(path)) {
    heads_fault_ = path +
                   ": there is no list of this model's retrieval heads; the word `heads` "
                   "makes one";
    return;
  }
  try {
    heads_ = std::make_shared<const HeadList>(read_heads(path, head_target()));
  } catch (const Error& error) {
    heads_fault_ = error.what();
  }
}

std::shared_ptr<const Model> Model::with_heads(HeadList heads) const {
  std::shared_ptr<Model> model(new Model(*this));
  model->heads_ = std::make_shared<const HeadList>(std::move(heads));
  model->heads_fault_.clear();
  return model;
}

HeadTarget Model::head_target() const {
  return {shape().layers, shape().query_heads, fingerprint_};
}

Model::~Model() = default;

std::string Model::name() const { return std::filesystem::path(folder_).filename().string(); }

std::int64_t Model::kv_bytes(int tokens) const {
  const ModelShape& s = config_.shape;
  return 2LL * s.kv_heads * tokens * s.head_dim * static_cast<std::int64_t>(sizeof(float));
}

void set_torch_threads(int threads) {
  // Sharp attention leaves weights near 1e-40, and arithmetic on such denormal numbers is tens of
  // times slower: they count as 0. Threads that torch starts from now on inherit this.
  at::globalContext().setFlushDenormal(true);
  if (threads > 0) at::set_num_threads(threads);
}

int torch_threads() { return at::get_num_threads(); }

}  // namespace polykv
