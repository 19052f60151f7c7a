#include "core/cache/prompt_state.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace polykv {

void check_prompt(const ModelConfig& config, std::span<const int> ids, int room) {
  if (ids.empty()) fail_input("", "prompt", "is empty, expected at least one token");
  for (const int id : ids) {
    if (id < 0 || id >= config.shape.vocab) {
      fail_input("", "prompt",
                 "token id " + std::to_string(id) + " is outside the vocabulary of " +
                     std::to_string(config.shape.vocab));
    }
  }
  const std::size_t wanted = ids.size() + room;
  if (wanted > static_cast<std::size_t>(config.shape.max_tokens)) {
    fail_input("", "prompt",
               "needs " + std::to_string(wanted) + " positions with the answer, the model has " +
                   std::to_string(config.shape.max_tokens) + " (max_position_embeddings)");
  }
}

namespace {

// Additive mask (rows, keys): query row i stands at position first_query + i, key column j at
// first_key + j; window 0 = all earlier keys.
at::Tensor causal_mask(int first_query, int rows, int first_key, int keys, int window) {
  const at::Tensor query = at::arange(first_query, first_query + rows, at::kInt).unsqueeze(1);
  const at::Tensor key = at::arange(first_key, first_key + keys, at::kInt).unsqueeze(0);
  at::Tensor hidden = key > query;
  if (window > 0) hidden = hidden.logical_or(key <= query - window);
  return at::zeros({rows, keys}, at::kFloat)
      .masked_fill_(hidden, -std::numeric_limits<float>::infinity());
}

// q (query_heads, rows, head_dim) at positions [first, first + rows) over the keys up to there.
at::Tensor prompt_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            int first, int window) {
  const int rows = static_cast<int>(q.size(1)), last = first + rows;
  const int first_key = window > 0 ? std::max(0, first - window + 1) : 0;
  const bool plain = first == 0 && (window == 0 || window >= last);
  std::optional<at::Tensor> mask;
  if (!plain) mask = causal_mask(first, rows, first_key, last - first_key, window);
  const auto keys = [&](const at::Tensor& t) {
    return t.narrow(1, first_key, last - first_key).unsqueeze(0);
  };
  return at::scaled_dot_product_attention(q.unsqueeze(0), keys(k), keys(v), mask, 0.0, plain,
                                          std::nullopt, /*enable_gqa=*/q.size(0) != k.size(0))
      .squeeze(0)
      .transpose(0, 1)
      .reshape({rows, -1});
}

}  // namespace

at::Tensor run_prompt(const Decoder& decoder, std::span<const int> ids, const LayerVisitor& visit,
                      const CancelFlag* cancel, int chunk) {
  check_prompt(decoder.config(), ids);
  const ModelShape& s = decoder.config().shape;
  const int n = static_cast<int>(ids.size()), step = chunk > 0 ? chunk : kPrefillChunk;
  const RopeAngles angles = decoder.angles(at::arange(n, at::kLong), n);
  at::Tensor x = decoder.embed(ids);
  for (int l = 0; l < s.layers; ++l) {
    LayerState state{x, at::empty({s.kv_heads, n, s.head_dim}, at::kFloat),
                     at::empty({s.kv_heads, n, s.head_dim}, at::kFloat)};
    at::Tensor next = at::empty_like(x);
    for (int first = 0; first < n; first += step) {
      stop_if(cancel);
      const int rows = std::min(step, n - first);
      const at::Tensor part = x.narrow(0, first, rows);
      const RopeAngles turned{angles.cos.narrow(0, first, rows), angles.sin.narrow(0, first, rows)};
      const Projected p = decoder.project(l, part, turned);
      state.k.narrow(1, first, rows).copy_(p.k);
      state.v.narrow(1, first, rows).copy_(p.v);
      const at::Tensor mixed =
          prompt_attention(p.q, state.k, state.v, first, decoder.config().windows[l]);
      next.narrow(0, first, rows).copy_(decoder.finish(l, part, mixed));
    }
    visit(l, std::move(state));
    x = std::move(next);
  }
  return x;
}

PromptState prefill(const Decoder& decoder, std::span<const int> ids, const CancelFlag* cancel,
                    int chunk) {
  PromptState state;
  state.tokens = static_cast<int>(ids.size());
  state.out = run_prompt(
      decoder, ids, [&](int, LayerState&& layer) { state.layers.push_back(std::move(layer)); },
      cancel, chunk);
  return state;
}

}  // namespace polykv
