#pragma once
// Products with weights of any kept type. Knows torch.
#include <ATen/ATen.h>

namespace polykv {

// x (tokens, columns) fp32, weight (rows, columns) fp32, bf16 or fp16, bias (rows) fp32 or
// undefined: (tokens, rows) fp32. Weights are widened exactly, a block at a time; products and sums
// are fp32 in every dtype.
at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

}  // namespace polykv
