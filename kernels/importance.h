#pragma once
// Column sums of causal softmax attention without the n x n matrix.

namespace polykv {

// Query head h reads kv head h / (heads / kv_heads). Query i stands at position first + i and sees
// keys 0 .. first + i. scale is usually 1 / sqrt(dim).
struct ImportanceShape {
  int heads = 0, kv_heads = 0, queries = 0, keys = 0, dim = 0, first = 0;
  float scale = 1.0f;
};

// queries (heads, queries, dim), keys (kv_heads, keys, dim), both post-RoPE and contiguous fp32;
// sums (heads, keys): for each key the softmax probabilities summed over all queries, fp32.
// Blocks of some 64 query rows: logits and exponentials chunk by chunk of keys, then, when a row's
// maximum and sum are known, added to the columns. Memory per call: a copy of one kv head's keys
// and O(keys). Only heads [head_begin, head_end) are computed, so that a caller can spread heads
// over threads; the sums do not depend on how, but a group's heads are fastest together.
void importance_cpu(const float* queries, const float* keys, const ImportanceShape& shape,
                    int head_begin, int head_end, float* sums);

// The same on device pointers for all heads; stream is a cudaStream_t. Only in builds with CUDA.
void importance_cuda(const float* queries, const float* keys, const ImportanceShape& shape,
                     float* sums, void* stream);

}  // namespace polykv
