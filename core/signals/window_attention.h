#pragma once
// Numbers of one layer from the attention of the last queries before the cut. Knows torch.
#include <ATen/ATen.h>

#include "core/score/case_state.h"
#include "core/signals/layer_signals.h"

namespace polykv {

// (query_heads, window, tokens) fp32: each of the last `window` queries of the cut's tokens over
// all keys it sees; 0 elsewhere.
at::Tensor window_attention(const Decoder& decoder, const CaseState& state, int layer,
                            const SignalSettings& settings);

// Entropy of every row in nats: sum of -A log A over the last dimension, 0 log 0 = 0.
at::Tensor row_entropy(const at::Tensor& attention);

// CAKE (arXiv 2503.12491), both over the keys before the window, mean over the heads. Entropy: sum
// of -A log A, mean over the queries; variance: over the queries (population), summed over keys.
double spatial_entropy(const at::Tensor& attention);
double temporal_variance(const at::Tensor& attention);

}  // namespace polykv
