#pragma once
// The cache of one sequence: real rows and their original positions, layer by layer. Knows torch.
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "core/cache/kept.h"
#include "core/cache/prompt_state.h"
#include "core/plan/plan.h"

namespace polykv {

// What the prefill cut left of one layer.
struct CutLayer {
  Kept kept;
  LayerScores scores;  // rows 0 for `full`
};

class KvCache {
 public:
  // Makes room for `room` tokens behind the cut (plan without layers = full cache).
  KvCache(const Decoder& decoder, const Plan& plan, int room);

  // Runs ids with the full cache and cuts every layer as soon as it has been read, so that no more
  // than one layer's full state is held at a time. Returns the last layer's output (tokens,
  // hidden).
  at::Tensor prefill(const Decoder& decoder, std::span<const int> ids,
                     const CancelFlag* cancel = nullptr);

  // Runs new tokens at the next positions through all layers and appends them. Returns the last
  // layer's output (tokens, hidden).
  at::Tensor run(const Decoder& decoder, std::span<const int> ids,
                 const CancelFlag* cancel = nullptr);

  const std::vector<CutLayer>& cuts() const { return cuts_; }
  // Bytes of the rows the cut left, as allocated, without the room for new tokens.
  std::int64_t cut_bytes() const;
  // Original positions of one kv head, ascending (appended tokens included, left windows not).
  std::vector<int> positions(int layer, int kv_head) const;

 private:
  struct Rows {
    at::Tensor k, v;  // (kv_heads, capacity, head_dim)
    int length = 0;   // rows in use per kv head
    int dropped = 0;  // rows that left a sliding window since the prompt began
    std::int64_t cut_bytes = 0;
  };
  void cut(const Decoder& decoder, int layer, const LayerState& state);

  Plan plan_;
  int room_ = 0;
  std::vector<Rows> rows_;
  std::vector<CutLayer> cuts_;
  int cut_tokens_ = 0, next_position_ = 0, kv_heads_ = 0;
};

// One layer's cut: scores from the policy and kept rows by the keep rule. A layer with a sliding
// window keeps its window, whatever the plan says.
CutLayer cut_layer(const Decoder& decoder, const LayerState& state, int layer, int tokens,
                   const LayerChoice& choice, std::uint64_t seed);

// Throws an input Error when the plan has another number of layers than the model, or asks for what
// the engine cannot do (decode-phase eviction).
void check_plan_fits(const Plan& plan, const ModelShape& shape);

}  // namespace polykv
