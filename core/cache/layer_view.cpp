#include "core/cache/layer_view.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/cache/attend.h"
#include "kernels/importance.h"

namespace polykv {
namespace {

// Queries are projected again from the layer's stored input, a block at a time: keeping them all
// would cost query_heads * head_dim floats per token and layer.
constexpr int kQueryBlock = 4096;

}  // namespace

at::Tensor stored_queries(const Decoder& decoder, const LayerState& state, int layer, int first,
                          int last) {
  const at::Tensor x = state.x.narrow(0, first, last - first);
  return decoder.project_queries(
      layer, x,
      decoder.angles(at::arange(first, last, at::kLong), static_cast<int>(state.x.size(0))));
}

at::Tensor attention_sums(const Decoder& decoder, const LayerState& state, int layer, int first,
                          int last) {
  const ModelShape& s = decoder.config().shape;
  const at::Tensor keys = state.k.narrow(1, 0, last).contiguous();
  at::Tensor total = at::zeros({s.query_heads, last}, at::kFloat);
  at::Tensor part = at::empty({s.query_heads, last}, at::kFloat);
  for (int begin = first; begin < last; begin += kQueryBlock) {
    const int end = std::min(last, begin + kQueryBlock);
    const at::Tensor queries = stored_queries(decoder, state, layer, begin, end);
    const ImportanceShape shape{.heads = s.query_heads,
                                .kv_heads = s.kv_heads,
                                .queries = end - begin,
                                .keys = last,
                                .dim = s.head_dim,
                                .first = begin,
                                .scale = static_cast<float>(1.0 / std::sqrt(double(s.head_dim)))};
    float* sums = part.data_ptr<float>();
    at::parallel_for(0, s.query_heads, 1, [&](std::int64_t head, std::int64_t head_end) {
      importance_cpu(queries.data_ptr<float>(), keys.data_ptr<float>(), shape,
                     static_cast<int>(head), static_cast<int>(head_end), sums);
    });
    total.add_(part);
  }
  return total;
}

at::Tensor LayerView::output_norms() const {
  return remembered("output norms", [&] {
    const int heads = shape_.query_heads, d = shape_.head_dim;
    const at::Tensor weight = output_weight(), value = values();
    at::Tensor norms = at::empty({heads, tokens()}, at::kFloat);
    for (int head = 0; head < heads; ++head) {
      const at::Tensor outputs = at::mm(value[head / group()], weight.narrow(1, head * d, d).t());
      norms[head].copy_(outputs.abs_().sum(1));
    }
    return norms;
  });
}

at::Tensor LayerView::repeat_attention(int) const {
  throw std::logic_error("the context is repeated at the end of the prompt only");
}

at::Tensor PromptView::repeat_attention(int chunk) const {
  if (!repeat_) throw std::logic_error("this cut was given no repeat pass");
  return repeat_(chunk);
}

at::Tensor PromptView::keys() const { return state_.k.narrow(1, 0, tokens()); }
at::Tensor PromptView::values() const { return state_.v.narrow(1, 0, tokens()); }

at::Tensor PromptView::positions() const {
  return at::arange(tokens(), at::kLong).expand({shape().kv_heads, tokens()});
}

at::Tensor PromptView::attention_rows(int window) const {
  const int first = std::max(0, tokens() - window);
  return polykv::attention_rows(stored_queries(decoder_, state_, layer(), first, tokens()), keys(),
                                /*window=*/0);
}

at::Tensor PromptView::attention_sums(int window) const {
  const int first = std::max(0, tokens() - window);
  return remembered("attention sums from " + std::to_string(first), [&] {
    return polykv::attention_sums(decoder_, state_, layer(), first, tokens());
  });
}

at::Tensor PromptView::attention_totals() const { return attention_sums(tokens()); }

at::Tensor PromptView::attention_by_position(int window) const {
  return attention_sums(window).mean(0).expand({shape().kv_heads, tokens()});
}

at::Tensor PromptView::queries_before_rope(int first, int last) const {
  return decoder_.queries_before_rope(layer(), state_.x.narrow(0, first, last - first));
}

RopeAngles PromptView::angles(const at::Tensor& positions) const {
  return decoder_.angles(positions, static_cast<int>(state_.x.size(0)));
}

at::Tensor PromptView::output_weight() const {
  return decoder_.output_weight(layer()).to(at::kFloat);
}

}  // namespace polykv
