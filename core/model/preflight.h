#pragma once
// Pre-flight: whether a model folder can be opened and what it needs, before anything is loaded.
#include <cstdint>
#include <string>
#include <vector>

#include "core/model/config.h"
#include "core/model/safetensors.h"

namespace polykv {

// What a folder says about itself without its weights being read.
struct FolderFacts {
  std::string folder, name;
  std::string unsupported;  // why it cannot be opened, one sentence; empty = it can
  ModelConfig config;       // meaningful when supported, as all below
  std::int64_t parameters = 0, file_bytes = 0;
  StoredType default_dtype = StoredType::f32;  // what --dtype would be left at
  bool supported() const { return unsupported.empty(); }
};

// What a model is to be opened for: cases of `tokens` tokens each (context, question and answer).
struct MemoryPlan {
  int tokens = 1024, cases = 16;
  StoredType dtype = StoredType::f32;  // of matrices; keys, values and hidden states are fp32
  std::int64_t free_bytes = 0;         // 0 = unknown: nothing is refused
};

// Bytes, reckoned; the peak of a run was within 3% of it (100 cases of 455 tokens).
struct MemoryNeed {
  std::int64_t weights = 0;
  std::int64_t cache = 0;    // full cache of one case; a windowed layer holds min(window, tokens)
  std::int64_t caches = 0;   // of all cases: a score needs one for each
  std::int64_t capture = 0;  // what is kept of all cases: inputs, keys and values of every layer
  std::int64_t working = 0;  // the worst moment of prefill and of a score
  std::int64_t total = 0;    // weights + caches + capture + working
};

struct Preflight {
  bool fits = false;
  MemoryNeed need;
  int windowed_layers = 0, window = 0;  // layers that keep at most the (largest) window
  std::string reason;                   // why it does not fit and the way out; empty = it fits
};

// Config, tokenizer, and of the weight files the headers: every tensor asked for by name and shape.
// Throws nothing for a folder that cannot be opened: `unsupported` says why.
FolderFacts read_facts(const std::string& folder);

MemoryNeed memory_need(const ModelConfig& config, const MemoryPlan& plan);
Preflight preflight(const ModelConfig& config, const MemoryPlan& plan);

// "26 of 26 layers keep at most 4,096 tokens"; empty without windowed layers.
std::string window_text(const ModelConfig& config, const Preflight& card);

// Weights only, for Model::open. Throws Error(failed) with the sentence of the card when they do
// not fit; the files are not touched.
void check_weights_fit(const ModelConfig& config, const MemoryPlan& plan);

std::int64_t parameters_of(const ModelConfig& config);
// Of all weights in memory: matrices in dtype, norms and biases in fp32.
std::int64_t weight_bytes(const ModelConfig& config, StoredType dtype);
// Lengths a card offers: powers of two from 512 to 32,768 that the model has positions for.
std::vector<int> card_lengths(const ModelConfig& config);

}  // namespace polykv
