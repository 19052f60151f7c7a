#pragma once
// What a policy may look at: the cached tokens of one layer at a cut. Knows torch.
#include <ATen/ATen.h>

#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "core/cache/prompt_state.h"
#include "core/plan/plan.h"

namespace polykv {

// As a window of attention_by_position: every query since the first token.
constexpr int kEveryQuery = std::numeric_limits<int>::max();

// What the repeat pass of a chunk size found in one layer: see LayerView::repeat_attention.
using RepeatSource = std::function<at::Tensor(int chunk)>;

// Tensors of a cut that do not depend on policy or budget, kept by name for the next policy.
using LayerMemo = std::map<std::string, at::Tensor>;

// Everything about a cut beside keys, values and queries.
struct CutContext {
  int layer = 0, tokens = 0, budget = 0;  // tokens in the cache; budget per kv head
  Phase phase = Phase::prefill;
  std::uint64_t seed = 0;               // of the plan
  std::span<const int> ranked_heads{};  // query heads of this layer, best SRH first; empty = none
  LayerMemo* memo = nullptr;            // of this layer and prompt; null = nothing is kept
  std::vector<float> head_scores{};     // per query head of this layer; empty = none
};

// Slot i of a kv head is the i-th token it holds, in the order of positions. All tensors fp32.
class LayerView {
 public:
  LayerView(const CutContext& context, const ModelShape& shape, int first_kv_head = 0)
      : context_(context), shape_(shape), first_kv_head_(first_kv_head) {}
  virtual ~LayerView() = default;
  LayerView(const LayerView&) = delete;
  LayerView& operator=(const LayerView&) = delete;

  int layer() const { return context_.layer; }
  int tokens() const { return context_.tokens; }
  int budget() const { return context_.budget; }
  Phase phase() const { return context_.phase; }
  std::uint64_t seed() const { return context_.seed; }
  std::span<const int> ranked_heads() const { return context_.ranked_heads; }
  std::span<const float> head_scores() const { return context_.head_scores; }
  // The model's shape with the heads of this view: while decoding a cut may look at some kv heads
  // of a layer only, the first of them is first_kv_head().
  const ModelShape& shape() const { return shape_; }
  int group() const { return shape_.query_heads / shape_.kv_heads; }
  int first_kv_head() const { return first_kv_head_; }

  virtual at::Tensor keys() const = 0;       // (kv_heads, tokens, head_dim), post-RoPE
  virtual at::Tensor values() const = 0;     // (kv_heads, tokens, head_dim)
  virtual at::Tensor positions() const = 0;  // (kv_heads, tokens) original positions, int64
  // Softmax attention of the last `window` queries (at most all there are), causal:
  // (query_heads, queries, tokens), and summed over those queries: (query_heads, tokens).
  virtual at::Tensor attention_rows(int window) const = 0;
  virtual at::Tensor attention_sums(int window) const = 0;
  // Summed over every query since the first token: (query_heads, tokens), O(tokens) memory.
  virtual at::Tensor attention_totals() const = 0;
  // attention_sums(window) averaged over all query heads of the layer that hold the token, by its
  // original position: (kv_heads, tokens). With kEveryQuery: attention_totals() averaged so.
  virtual at::Tensor attention_by_position(int window) const = 0;
  // L1 norm over the hidden channels of Wo_h v for every query head: (query_heads, tokens).
  at::Tensor output_norms() const;

  // At the end of the prompt only. Queries of positions [first, last) before RoPE, after the q norm
  // where there is one: (query_heads, last - first, head_dim).
  virtual at::Tensor queries_before_rope(int first, int last) const = 0;
  // The largest softmax attention that a repeat of the tokens, `chunk` of them at a time, gives to
  // each of them (core/cache/repeat.h): (kv_heads, tokens).
  virtual at::Tensor repeat_attention(int chunk) const;
  // Cos and sin at any positions, also beyond the prompt.
  virtual RopeAngles angles(const at::Tensor& positions) const = 0;

 protected:
  // What `make` gives, from the memo where it is there already.
  template <class Make>
  at::Tensor remembered(const std::string& name, const Make& make) const {
    if (!context_.memo) return make();
    at::Tensor& kept = (*context_.memo)[name + " of " + std::to_string(context_.tokens)];
    if (!kept.defined()) kept = make();
    return kept;
  }
  virtual at::Tensor output_weight() const = 0;  // (hidden, query_heads * head_dim)

 private:
  CutContext context_;
  ModelShape shape_;
  int first_kv_head_;
};

// The first `context.tokens` tokens of a full-cache run.
class PromptView : public LayerView {
 public:
  PromptView(const Decoder& decoder, const LayerState& state, const CutContext& context,
             RepeatSource repeat = {})
      : LayerView(context, decoder.config().shape),
        decoder_(decoder),
        state_(state),
        repeat_(std::move(repeat)) {}

  at::Tensor keys() const override;
  at::Tensor values() const override;
  at::Tensor positions() const override;
  at::Tensor attention_rows(int window) const override;
  at::Tensor attention_sums(int window) const override;
  at::Tensor attention_totals() const override;
  at::Tensor attention_by_position(int window) const override;
  at::Tensor queries_before_rope(int first, int last) const override;
  at::Tensor repeat_attention(int chunk) const override;
  RopeAngles angles(const at::Tensor& positions) const override;

 private:
  at::Tensor output_weight() const override;
  const Decoder& decoder_;
  const LayerState& state_;
  RepeatSource repeat_;
};

// Attention of the queries at positions [first, last) over the keys 0 .. last - 1 of one layer of
// the full cache, summed over the queries: (query_heads, last) fp32.
at::Tensor attention_sums(const Decoder& decoder, const LayerState& state, int layer, int first,
                          int last);

// Post-RoPE queries at positions [first, last): (query_heads, last - first, head_dim).
at::Tensor stored_queries(const Decoder& decoder, const LayerState& state, int layer, int first,
                          int last);

}  // namespace polykv
