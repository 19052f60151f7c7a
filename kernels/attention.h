#pragma once
// Attention of a few new tokens over one layer's cache whose kv heads hold different numbers of
// rows; the probabilities on request.
#include <cstdint>

namespace polykv {

// Query head h reads kv head h / (heads / kv_heads). queries: new tokens; scale: usually
// 1 / sqrt(dim).
struct AttentionShape {
  int heads = 0, kv_heads = 0, queries = 0, dim = 0;
  float scale = 1.0f;
};

// queries (heads, queries, dim), post-RoPE fp32; keys and values: flat rows of dim floats, kv head
// g holds the rows starts[g] .. starts[g] + lengths[g] - 1, of which the last `queries` are the new
// tokens themselves, causal among them (so lengths[g] >= queries). out (queries, heads * dim).
// rows: null, or (heads, queries, row_stride) probabilities, 0 where a query does not see a row and
// behind the length. Only heads [head_begin, head_end) are computed; the numbers do not depend on
// how heads are spread over threads, but a kv head's heads are fastest together.
void attention_cpu(const float* queries, const float* keys, const float* values,
                   const std::int64_t* starts, const int* lengths, const AttentionShape& shape,
                   int head_begin, int head_end, float* out, float* rows, std::int64_t row_stride);

// The same on device pointers (starts and lengths too) for all heads; dim is at most 256; stream is
// a cudaStream_t. Only in builds with CUDA.
void attention_cuda(const float* queries, const float* keys, const float* values,
                    const std::int64_t* starts, const int* lengths, const AttentionShape& shape,
                    float* out, float* rows, std::int64_t row_stride, void* stream);

}  // namespace polykv
