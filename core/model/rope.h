#pragma once
// Rotation frequencies of every supported RoPE kind, as plain numbers.
#include <vector>

#include "core/model/config.h"

namespace polykv {

// Angle per position of every channel pair (head_dim / 2). sequence: tokens of the whole sequence;
// only dynamic NTK depends on it, once it is longer than the trained length.
std::vector<float> rope_frequencies(const RopeSettings& rope, int head_dim, int sequence);

}  // namespace polykv
