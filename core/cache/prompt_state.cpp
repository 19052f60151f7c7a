#include "core/cache/prompt_state.h"

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

PromptState prefill(const Decoder& decoder, std::span<const int> ids, const CancelFlag* cancel) {
  check_prompt(decoder.config(), ids);
  const ModelShape& s = decoder.config().shape;
  const std::int64_t n = static_cast<std::int64_t>(ids.size());
  const RopeAngles angles = decoder.angles(at::arange(n, at::kLong));
  PromptState state;
  state.tokens = static_cast<int>(n);
  at::Tensor x = decoder.embed(ids);
  for (int l = 0; l < s.layers; ++l) {
    stop_if(cancel);
    Projected p = decoder.project(l, x, angles);
    const at::Tensor attention = at::scaled_dot_product_attention(
        p.q.unsqueeze(0), p.k.unsqueeze(0), p.v.unsqueeze(0), {}, 0.0, /*is_causal=*/true,
        std::nullopt, /*enable_gqa=*/s.query_heads != s.kv_heads);
    const at::Tensor flat = attention.squeeze(0).transpose(0, 1).reshape({n, -1});
    at::Tensor next = decoder.finish(l, x, flat);
    state.layers.push_back({std::move(x), std::move(p.k), std::move(p.v)});
    x = std::move(next);
  }
  state.out = std::move(x);
  return state;
}

}  // namespace polykv
