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

// Attention of one kv head's queries over a range of keys, and the logarithm of what its softmax
// was divided by: enough to put ranges together.
struct PartialAttention {
  at::Tensor out;  // (kv_heads, heads per group, rows, head_dim)
  at::Tensor lse;  // (kv_heads, heads per group, rows)
};

// q (kv_heads, heads per group, rows, head_dim) over rows [first, last) of k and v (kv_heads,
// tokens, head_dim). A group reads one copy of its keys: they are expanded with stride 0.
PartialAttention over_keys(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int first,
                           int last, bool causal, const std::optional<at::Tensor>& mask = {}) {
  const auto keys = [&](const at::Tensor& t) {
    const at::Tensor rows = t.narrow(1, first, last - first).unsqueeze(1);
    return rows.expand({q.size(0), q.size(1), rows.size(2), rows.size(3)});
  };
  auto [out, lse] =
      at::_scaled_dot_product_flash_attention_for_cpu(q, keys(k), keys(v), 0.0, causal, mask);
  return {std::move(out), std::move(lse)};
}

// q (query_heads, rows, head_dim) at positions [first, first + rows) over the keys up to there. No
// mask: the earlier keys are seen by every row, the rows' own keys causally. Only where a window
// hides earlier keys there is one, (rows, window + rows) at most.
at::Tensor prompt_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            int first, int window) {
  const int rows = static_cast<int>(q.size(1)), last = first + rows;
  const at::Tensor grouped = q.view({k.size(0), q.size(0) / k.size(0), rows, q.size(2)});
  const int first_key = window > 0 ? std::max(0, first - window + 1) : 0;
  PartialAttention all;
  if (window > 0 && last > window && rows > 1) {
    const at::Tensor mask = causal_mask(first, rows, first_key, last - first_key, window);
    all = over_keys(grouped, k, v, first_key, last, false, mask);
  } else if (rows == 1) {
    all = over_keys(grouped, k, v, first_key, last, false);
  } else {
    all = over_keys(grouped, k, v, first, last, true);
    if (first > 0) {
      const PartialAttention earlier = over_keys(grouped, k, v, 0, first, false);
      const at::Tensor share = at::sigmoid(earlier.lse - all.lse).unsqueeze(-1);
      all.out = at::lerp(all.out, earlier.out, share);
    }
  }
  return all.out.permute({2, 0, 1, 3}).reshape({rows, -1});
}

}  // namespace

at::Tensor run_prompt(const Decoder& decoder, std::span<const int> ids, const LayerVisitor& visit,
                      const CancelFlag* cancel, int chunk, int wanted) {
  check_prompt(decoder.config(), ids);
  const ModelShape& s = decoder.config().shape;
  const int n = static_cast<int>(ids.size()), step = chunk > 0 ? chunk : kPrefillChunk;
  const RopeAngles angles = decoder.angles(at::arange(n, at::kLong), n);
  at::Tensor x = decoder.embed(ids);
  for (int l = 0; l < s.layers; ++l) {
    LayerState state{x, at::empty({s.kv_heads, n, s.head_dim}, at::kFloat),
                     at::empty({s.kv_heads, n, s.head_dim}, at::kFloat)};
    // Nothing reads the last layer's output but the caller: rows before this one give keys and
    // values only.
    const int begin = l + 1 == s.layers && wanted > 0 ? std::max(0, n - wanted) : 0;
    at::Tensor next = at::empty({n - begin, x.size(1)}, x.options());
    for (int first = 0, rows = 0; first < n; first += rows) {
      stop_if(cancel);
      rows = std::min(step, (first < begin ? begin : n) - first);
      const at::Tensor part = x.narrow(0, first, rows);
      const RopeAngles turned{angles.cos.narrow(0, first, rows), angles.sin.narrow(0, first, rows)};
      const Projected p =
          first < begin ? decoder.project_keys(l, part, turned) : decoder.project(l, part, turned);
      state.k.narrow(1, first, rows).copy_(p.k);
      state.v.narrow(1, first, rows).copy_(p.v);
      if (first < begin) continue;
      const at::Tensor mixed =
          prompt_attention(p.q, state.k, state.v, first, decoder.config().windows[l]);
      next.narrow(0, first - begin, rows).copy_(decoder.finish(l, part, mixed));
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
