#pragma once
// Gathers the kept rows of a key or value cache into a smaller one.
#include <cstdint>

namespace polykv {

// rows: kv heads; tokens: rows of the source per head; kept: rows gathered per head; dim: floats a
// row; out_stride: rows per head in the destination (>= kept; what lies behind is left alone).
struct CompactShape {
  int rows = 0, tokens = 0, kept = 0, dim = 0, out_stride = 0;
};

// source (rows, tokens, dim), positions (rows, kept) in [0, tokens), out (rows, out_stride, dim).
void compact_cpu(const float* source, const std::int32_t* positions, const CompactShape& shape,
                 float* out);

// The same on device pointers; stream is a cudaStream_t. Only in builds with CUDA.
void compact_cuda(const float* source, const std::int32_t* positions, const CompactShape& shape,
                  float* out, void* stream);

}  // namespace polykv
