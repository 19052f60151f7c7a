#pragma once
// Products of a weight matrix with a few rows, as a decode step needs them.
#include <cstdint>

namespace polykv {

struct Bf16 {
  std::uint16_t bits;
};
struct Fp16 {
  std::uint16_t bits;
};

struct MatvecShape {
  int tokens = 0, rows = 0, columns = 0;
};

// x (tokens, columns) fp32, weight (rows, columns), out (tokens, rows) fp32: every row times every
// x, widened exactly, products and sums in fp32. Reads the weight once: made for a few tokens. Only
// rows [row_begin, row_end) are computed, so that a caller can spread them over threads; the
// numbers do not depend on how.
void matvec_cpu(const float* x, const float* weight, const MatvecShape& shape, int row_begin,
                int row_end, float* out);
void matvec_cpu(const float* x, const Bf16* weight, const MatvecShape& shape, int row_begin,
                int row_end, float* out);
void matvec_cpu(const float* x, const Fp16* weight, const MatvecShape& shape, int row_begin,
                int row_end, float* out);

// The same on device pointers for all rows; stream is a cudaStream_t. Only in builds with CUDA.
void matvec_cuda(const float* x, const float* weight, const MatvecShape& shape, float* out,
                 void* stream);
void matvec_cuda(const float* x, const Bf16* weight, const MatvecShape& shape, float* out,
                 void* stream);
void matvec_cuda(const float* x, const Fp16* weight, const MatvecShape& shape, float* out,
                 void* stream);

}  // namespace polykv
