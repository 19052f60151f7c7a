#include "core/signals/output_error.h"

#include "core/cache/attend.h"
#include "core/cache/layer_view.h"

namespace polykv {
namespace {

// Kept rows and the rows behind the cut of one kv head: (1, rows, head_dim).
at::Tensor rows_after_cut(const at::Tensor& head, int cut, std::span<const std::int32_t> kept) {
  const at::Tensor index = at::tensor(at::ArrayRef<std::int32_t>(kept.data(), kept.size()));
  return at::cat({head.index_select(0, index), head.narrow(0, cut, head.size(0) - cut)})
      .unsqueeze(0);
}

}  // namespace

std::vector<double> output_errors(const Decoder& decoder, const LayerState& state, int layer,
                                  int cut, const Kept& kept, double eps) {
  const int tokens = static_cast<int>(state.x.size(0));
  if (kept.everything()) return std::vector<double>(tokens - cut, 0.0);
  const ModelShape& s = decoder.config().shape;
  const int group = s.query_heads / s.kv_heads;
  const at::Tensor q = stored_queries(decoder, state, layer, cut, tokens);
  std::vector<at::Tensor> heads;  // a head of a ragged cache has rows of its own
  for (int g = 0; g < s.kv_heads; ++g) {
    heads.push_back(attend(q.narrow(0, g * group, group),
                           rows_after_cut(state.k[g], cut, kept.head(g)),
                           rows_after_cut(state.v[g], cut, kept.head(g)), 0));
  }
  const at::Tensor full = decoder.attention_output(layer, attend(q, state.k, state.v, 0));
  const at::Tensor left = decoder.attention_output(layer, at::cat(heads, 1));
  const at::Tensor errors =
      ((left - full).norm(2, -1) / (full.norm(2, -1) + eps)).to(at::kDouble).contiguous();
  return {errors.data_ptr<double>(), errors.data_ptr<double>() + errors.numel()};
}

double evicted_mass(const CaseState& state, int layer, int cut, const Kept& kept) {
  if (kept.everything()) return 0;
  const std::vector<float>& mass = *state.mass[layer];
  const int heads = static_cast<int>(kept.offsets.size()) - 1;
  double evicted = 0;
  for (int head = 0; head < heads; ++head) {
    const float* row = mass.data() + static_cast<std::ptrdiff_t>(head) * state.full.tokens;
    for (int i = 0; i < cut; ++i) evicted += row[i];
    for (const std::int32_t i : kept.head(head)) evicted -= row[i];
  }
  return evicted / heads;
}

}  // namespace polykv
