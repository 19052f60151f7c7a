#pragma once
// What the model loses when heads are masked, beside masking as many random ones (product.md,
// feature 20).
#include <cstdint>
#include <vector>

#include "core/model/model.h"
#include "core/probe/case.h"
#include "core/probe/head_score.h"
#include "core/score/stats.h"

namespace polykv {

using HeadMask = std::vector<HeadPlace>;

struct MaskScore {
  Estimate recall;      // exact: the greedy answer equals the gold one; Wilson
  Estimate answer_nll;  // nats per gold answer token; t over cases
};

// Full cache. The query vectors of masked heads are zero for every token fed after the prompt
// (context + question), so that these heads attend evenly to the whole cache (a windowed layer: to
// its window). The first answer token is predicted by the prompt's last token and never masked.
// One score per mask; each case is prefilled once for all masks.
std::vector<MaskScore> score_masks(const Model& model, const std::vector<Case>& cases,
                                   const std::vector<HeadMask>& masks,
                                   const Progress& progress = {},
                                   const CancelFlag* cancel = nullptr);

struct MaskEffect {
  MaskScore none;                 // no mask
  std::vector<MaskScore> chosen;  // one per chosen mask
  std::vector<HeadMask> drawn;    // random masks of the same size
  std::vector<MaskScore> draws;   // one per random mask
  MaskScore random;               // mean over the draws with its t interval; n = draws
};

// chosen: one or more masks of one size. Random masks are drawn evenly from the heads that are in
// none of them. Throws a usage Error when fewer than that size are left, or sizes differ.
MaskEffect mask_effect(const Model& model, const std::vector<Case>& cases,
                       const std::vector<HeadMask>& chosen, std::uint64_t seed, int repeats,
                       const Progress& progress = {}, const CancelFlag* cancel = nullptr);

}  // namespace polykv
