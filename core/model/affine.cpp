#include "core/model/affine.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/matvec.h"

namespace polykv {
namespace {

constexpr std::int64_t kFewTokens = 1;     // decoding: the weights are the traffic, not x
constexpr std::int64_t kBlock = 1 << 20;   // weights widened at a time: 4 MiB
constexpr std::int64_t kSerial = 1 << 19;  // weights a thread should have, or waking it costs more
constexpr std::int64_t kRowsTogether = 4;  // threads share no group of rows
constexpr std::int64_t kLarge = 1 << 20;  // fp32 weights beyond the caches: MKL streams them faster

template <class Number>
void few_tokens(const at::Tensor& x, const Number* weight, at::Tensor& out) {
  const MatvecShape shape{.tokens = static_cast<int>(x.size(0)),
                          .rows = static_cast<int>(out.size(1)),
                          .columns = static_cast<int>(x.size(1))};
  const float* in = x.const_data_ptr<float>();
  float* to = out.data_ptr<float>();
  const std::int64_t groups = (shape.rows + kRowsTogether - 1) / kRowsTogether;
  const std::int64_t grain = std::max<std::int64_t>(1, kSerial / kRowsTogether / shape.columns);
  at::parallel_for(0, groups, grain, [&](std::int64_t first, std::int64_t last) {
    matvec_cpu(in, weight, shape, static_cast<int>(first * kRowsTogether),
               static_cast<int>(std::min<std::int64_t>(shape.rows, last * kRowsTogether)), to);
  });
}

// Rows of the weight are widened to fp32 in blocks that stay in the cache for the product.
void many_tokens(const at::Tensor& x, const at::Tensor& weight, at::Tensor& out) {
  const std::int64_t rows = weight.size(0), columns = weight.size(1);
  const std::int64_t step = std::clamp<std::int64_t>(kBlock / columns, 1, rows);
  const at::Tensor block = at::empty({step, columns}, x.options());
  for (std::int64_t row = 0; row < rows; row += step) {
    const std::int64_t here = std::min(step, rows - row);
    const at::Tensor wide = block.narrow(0, 0, here).copy_(weight.narrow(0, row, here));
    at::Tensor part = out.narrow(1, row, here);
    at::mm_out(part, x, wide.t());
  }
}

}  // namespace

at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const bool few = x.size(0) <= kFewTokens;
  if (weight.scalar_type() == at::kFloat && (!few || weight.numel() >= kLarge)) {
    return at::linear(x, weight, bias);
  }
  at::Tensor out = at::empty({x.size(0), weight.size(0)}, x.options());
  const at::Tensor rows = few ? x.contiguous() : x;
  if (!few) {
    many_tokens(rows, weight, out);
  } else if (weight.scalar_type() == at::kBFloat16) {
    few_tokens(rows, static_cast<const Bf16*>(weight.const_data_ptr()), out);
  } else if (weight.scalar_type() == at::kHalf) {
    few_tokens(rows, static_cast<const Fp16*>(weight.const_data_ptr()), out);
  } else {
    few_tokens(rows, weight.const_data_ptr<float>(), out);
  }
  return bias.defined() ? out.add_(bias) : out;
}

}  // namespace polykv
