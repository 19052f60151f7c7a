#pragma once
// The cache of one sequence: real rows and their original positions, layer by layer. Knows torch.
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "core/cache/layer_rows.h"
#include "core/cache/layer_view.h"
#include "core/model/model.h"
#include "core/plan/plan.h"

namespace polykv {

// What the prefill cut left of one layer.
struct CutLayer {
  Kept kept;
  LayerScores scores;  // rows 0 for `full`
};

// The attention of the prompt's queries that a layer's decode policy goes on from (LayerRows::
// fill_memory); undefined where it asks for nothing.
struct PromptMemory {
  at::Tensor totals, recent;
};

class KvCache {
 public:
  // Makes room for `room` tokens behind the cut (plan without layers = full cache).
  KvCache(const Model& model, const Plan& plan, int room);

  // Runs ids with the full cache and cuts every layer as soon as it has been read, so that no more
  // than one layer's full state is held at a time. Returns the last layer's output for the
  // last token (1, hidden).
  at::Tensor prefill(std::span<const int> ids, const CancelFlag* cancel = nullptr);
  // Takes the next layer of a full run that was made before: its first `tokens` tokens, cut.
  void take(const LayerState& state, int tokens, CutLayer cut, const PromptMemory& memory);

  // Runs new tokens at the next positions through all layers and appends them. Nothing is evicted:
  // question tokens stay until the answer starts. Returns the last layer's output (tokens, hidden).
  at::Tensor run(std::span<const int> ids, const CancelFlag* cancel = nullptr);
  // Feeds one answer token: it attends to everything, then layers over their decode budget are cut.
  at::Tensor step(int id, const CancelFlag* cancel = nullptr);

  const std::vector<CutLayer>& cuts() const { return cuts_; }
  // Bytes of the rows the prefill cut left, as allocated, without the room for new tokens.
  std::int64_t cut_bytes() const;
  // Original positions of one kv head, ascending (appended tokens included, left windows not).
  const std::vector<std::int32_t>& positions(int layer, int kv_head) const {
    return rows_[layer].positions(kv_head);
  }

 private:
  const Model& model_;
  Plan plan_;
  int room_ = 0;
  std::vector<LayerRows> rows_;
  std::vector<CutLayer> cuts_;
  int next_position_ = 0;
};

// The prefill cut of one layer as a policy sees it.
CutContext cut_context(const Model& model, int layer, int tokens, const LayerChoice& choice,
                       std::uint64_t seed);

// One layer's cut: scores from the policy and kept rows by the keep rule. A layer with a sliding
// window keeps its window, whatever the plan says.
CutLayer cut_layer(const Model& model, const LayerState& state, int layer, int tokens,
                   const LayerChoice& choice, std::uint64_t seed, const RepeatSource& repeat = {});

// Empty rows of a layer, with the memory its decode choice needs (null = full).
LayerRows empty_rows(const Model& model, int layer, const LayerChoice* decode);

// Fills rows with what the cut kept; a merging policy folds the evicted rows into them by its
// scores (null only where nothing was evicted by a score).
void fill_cut(const Model& model, LayerRows& rows, const LayerState& state, int layer, int tokens,
              const LayerChoice& choice, std::uint64_t seed, const Kept& kept,
              const LayerScores* scores, int room);

PromptMemory prompt_memory(const Model& model, const LayerState& state, int layer, int tokens,
                           const QueryMemory& asked);

// Throws an input Error when the plan has another number of layers than the model, or names a
// policy that is unknown or of another phase.
void check_plan_fits(const Plan& plan, const ModelShape& shape);

}  // namespace polykv
