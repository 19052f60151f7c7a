#pragma once
// What a cut does to a layer: attention output and attention mass. Knows torch.
#include <vector>

#include "core/cache/kept.h"
#include "core/score/case_state.h"

namespace polykv {

// CompressKV's eviction error, one number per query at positions cut, cut + 1, ... of the state:
// ||O' - O|| / (||O|| + eps). O: output of the attention block after the output projection with
// the full cache; O': the same query over `kept` of the first `cut` tokens and all later ones.
std::vector<double> output_errors(const Decoder& decoder, const LayerState& state, int layer,
                                  int cut, const Kept& kept, double eps = 1e-6);

// Share of the attention of the later queries that falls on evicted tokens, mean over kv heads.
double evicted_mass(const CaseState& state, int layer, int cut, const Kept& kept);

}  // namespace polykv
