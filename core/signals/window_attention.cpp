#include "core/signals/window_attention.h"

#include "core/cache/attend.h"
#include "core/cache/layer_view.h"

namespace polykv {
namespace {

at::Tensor before_window(const at::Tensor& attention) {
  return attention.narrow(2, 0, attention.size(2) - attention.size(1));
}

double mean_of(const at::Tensor& numbers) { return numbers.mean().item<double>(); }

}  // namespace

at::Tensor window_attention(const Decoder& decoder, const CaseState& state, int layer,
                            const SignalSettings& settings) {
  const LayerState& full = state.full.layers[layer];
  const int tokens = state.cut_tokens(settings.query), window = std::min(settings.window, tokens);
  at::Tensor& known =
      state.signal_memo[layer][std::to_string(tokens) + " " + std::to_string(window)];
  if (!known.defined()) {
    known = attention_rows(stored_queries(decoder, full, layer, tokens - window, tokens),
                           full.k.narrow(1, 0, tokens), decoder.config().windows[layer]);
  }
  return known;
}

at::Tensor row_entropy(const at::Tensor& attention) {
  // Not xlogy, which takes one number at a time; the smallest normal float stands in for 0.
  return (attention * attention.clamp_min(1.17549435e-38f).log()).sum(-1).neg();
}

double spatial_entropy(const at::Tensor& attention) {
  const at::Tensor keys = before_window(attention);
  return mean_of(row_entropy(keys));
}

double temporal_variance(const at::Tensor& attention) {
  const at::Tensor keys = before_window(attention);
  return keys.size(2) == 0 ? 0 : mean_of(keys.var(1, /*unbiased=*/false).sum(-1));
}

}  // namespace polykv
