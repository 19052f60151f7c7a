#pragma once
// An opened model: config, tokenizer and decoder of one Hugging Face folder. Immutable after open.
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/model/config.h"
#include "core/model/safetensors.h"
#include "core/model/tokenizer.h"
#include "core/probe/head_list.h"

namespace polykv {

class Decoder;  // core/model/decoder.h, knows torch

// Called with the share done in [0, 1] and a word for what is going on.
using Progress = std::function<void(double share, const std::string& what)>;
// Set by another thread to stop long work; the work throws Cancelled.
using CancelFlag = std::atomic<bool>;
struct Cancelled {};

class Model {
 public:
  // dtype: what matrices are kept in, default_dtype without it. Throws an input Error (file, key,
  // expectation), or Error(failed) before anything is loaded when the weights do not fit into
  // free_bytes (default: what is free now); nothing is left behind.
  static std::shared_ptr<const Model> open(const std::string& folder, const Progress& progress = {},
                                           const CancelFlag* cancel = nullptr,
                                           std::optional<StoredType> dtype = {},
                                           std::optional<std::int64_t> free_bytes = {});
  ~Model();
  const std::string& folder() const { return folder_; }
  std::string name() const;  // last part of the folder
  const ModelConfig& config() const { return config_; }
  const ModelShape& shape() const { return config_.shape; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const Decoder& decoder() const { return *decoder_; }
  std::int64_t parameters() const { return parameters_; }
  const std::string& fingerprint() const {
    return fingerprint_;
  }  // "sha256:..." of config + weights
  // The retrieval heads: FOLDER/heads.json when it is there and fits this model, or what with_heads
  // gave. Null when there are none; heads_fault() then says why in one sentence.
  const std::shared_ptr<const HeadList>& heads() const { return heads_; }
  const std::string& heads_fault() const { return heads_fault_; }
  // The same opened model (weights are shared) with other heads.
  std::shared_ptr<const Model> with_heads(HeadList heads) const;
  HeadTarget head_target() const;
  StoredType dtype() const { return dtype_; }  // of the matrices in memory
  // Bytes of n cached tokens of one layer: keys and values of all kv heads, fp32 in every dtype.
  std::int64_t kv_bytes(int tokens) const;

 private:
  Model() = default;
  Model(const Model&) = default;
  void find_heads();
  std::string folder_, fingerprint_, heads_fault_;
  ModelConfig config_;
  StoredType dtype_ = StoredType::f32;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const Decoder> decoder_;
  std::shared_ptr<const HeadList> heads_;
  std::int64_t parameters_ = 0;
};

// Number of threads torch may use from now on (0 = all cores). Call before the first model is
// opened.
void set_torch_threads(int threads);
int torch_threads();

}  // namespace polykv
