#pragma once
// Eviction while tokens are generated: a layer that grew over its cap is cut again. Knows torch.
#include <span>

#include "core/cache/layer_rows.h"
#include "core/cache/layer_view.h"
#include "core/policies/policy.h"

namespace polykv {

// What a layer must remember of past queries for its decode choice; nothing for `full`.
QueryMemory query_memory(const LayerChoice& decode);

// Some kv heads of a layer while decoding; all of them hold the same number of rows.
class DecodeView : public LayerView {
 public:
  DecodeView(const Decoder& decoder, const LayerRows& rows, const CutContext& context,
             int first_kv_head, int kv_heads);

  at::Tensor keys() const override;
  at::Tensor values() const override;
  at::Tensor positions() const override;
  at::Tensor attention_rows(int window) const override;
  at::Tensor attention_sums(int window) const override;
  at::Tensor attention_totals() const override;
  at::Tensor attention_by_position(int window) const override;
  at::Tensor queries_before_rope(int first, int last) const override;  // throws std::logic_error
  RopeAngles angles(const at::Tensor& positions) const override;

 private:
  at::Tensor output_weight() const override;
  at::Tensor stacked(at::Tensor (LayerRows::*part)(int) const, bool join) const;
  const Decoder& decoder_;
  const LayerRows& rows_;
};

// After an answer token was fed and attended to everything: kv heads that hold more than the
// choice's budget are cut to it, or all together to kv_heads times the budget by a ragged policy,
// every `every` tokens (a parameter of decode choices, default 1).
// context.tokens and .budget are set here. Throws as policy_scores does.
void cut_while_decoding(const Decoder& decoder, LayerRows& rows, const LayerChoice& choice,
                        CutContext context);

}  // namespace polykv
