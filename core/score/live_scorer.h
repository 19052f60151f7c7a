#pragma once
// Live scorer (product.md, section 2): prefill once, then rescore from the first changed layer on.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/model/model.h"
#include "core/plan/plan.h"
#include "core/probe/case.h"
#include "core/score/proxy.h"
#include "core/score/scores.h"

namespace polykv {

// Attention rows of one layer and head over the whole sequence, for the heatmap.
struct HeatTile {
  int case_index = 0, layer = 0, head = 0;
  int first_row = 0;          // position of the first asking token
  int rows = 0, columns = 0;  // asking tokens, remembered tokens
  std::vector<float>
      values;  // (rows, columns) probabilities with the full cache; 0 above the diagonal
};

// What one layer keeps of one case after the prefill cut.
struct KeptLayer {
  std::vector<std::vector<int>> positions;  // per kv head, ascending; empty outer = everything
  int cut_tokens = 0;                       // tokens the cut looked at
  double kept_mass = 1;                     // share of question + answer attention that stays
};

class LiveScorer {
 public:
  explicit LiveScorer(std::shared_ptr<const Model> model);
  ~LiveScorer();

  // Prefills the cases with the full cache, one after another. Throws Cancelled between layers; the
  // cases done so far stay usable. Cases longer than the model's positions: an input Error.
  void set_cases(std::vector<Case> cases, const Progress& progress = {},
                 const CancelFlag* cancel = nullptr);
  const std::vector<Case>& cases() const;

  // The same model with another head list (Model::with_heads): the prefilled cases stay, scores of
  // policies are computed again, and there is no last completed score any more.
  void use_heads(std::shared_ptr<const Model> model);

  // Exact scores under the plan. Work starts at the first layer whose kept tokens changed since the
  // last call; throws Cancelled between layers and can then be called again with any plan.
  ScoreRow score(const Plan& plan, const CancelFlag* cancel = nullptr);
  // The same for another plan without disturbing the incremental state; for controls.
  ScoreRow score_aside(const Plan& plan, const CancelFlag* cancel = nullptr);
  ScoreRow full_row() const;                // the ceiling
  std::vector<CaseResult> results() const;  // of the last completed score
  int first_layer_run() const;              // where the last score started (layers = nothing to do)

  // Logits (answer tokens, vocab) of one case under the last completed plan, row-major fp32.
  std::vector<float> answer_logits(int case_index) const;
  // The same from scratch through the engine's cache: prefill, cut, question and answer. Slow; the
  // reference the property test and the engine check hold the incremental path against.
  std::vector<float> answer_logits_from_scratch(int case_index, const Plan& plan) const;

  // Greedy answer of one case under the last plan where it differs from the gold (runs the model).
  std::vector<int> greedy_answer(int case_index) const;

  std::vector<KeptLayer> kept(int case_index) const;         // of the last completed plan
  HeatTile heat(int case_index, int layer, int head) const;  // question and answer rows
  // Score vectors and attention mass for the instant proxy; layers already known are shared.
  std::shared_ptr<const ProxyData> proxy_data(const Plan& plan);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polykv
