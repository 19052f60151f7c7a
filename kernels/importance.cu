#include "kernels/importance.h"
#include "kernels/launch.cuh"

namespace polykv {
namespace {

constexpr int kTile = 32;  // queries and keys of a tile, floats of a slice of dim
constexpr int kWarps = 8;  // a block is (32 keys, 8 warps); a thread holds 4 queries of one key
constexpr int kMine = kTile / kWarps;
constexpr unsigned kAll = 0xffffffffu;

// Logits of one tile; mine[j]: query query_begin + threadIdx.y + j * kWarps with key
// key_begin + threadIdx.x. Queries and keys past the end count as zeros. All threads must call.
__device__ inline void tile_logits(const float* queries, const float* keys,
                                   const ImportanceShape& shape, int query_begin, int key_begin,
                                   float* mine) {
  __shared__ float query_tile[kTile][kTile];
  __shared__ float key_tile[kTile][kTile + 1];  // + 1: no two keys in one memory bank
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  for (int j = 0; j < kMine; ++j) mine[j] = 0.0f;
  for (int slice = 0; slice < shape.dim; slice += kTile) {
    const int d = slice + lane;
    __syncthreads();  // the slice before is read to its end
    for (int row = warp; row < kTile; row += kWarps) {
      const int query = query_begin + row, key = key_begin + row;
      query_tile[row][lane] = query < shape.queries && d < shape.dim
                                  ? queries[static_cast<std::size_t>(query) * shape.dim + d]
                                  : 0.0f;
      key_tile[row][lane] = key < shape.keys && d < shape.dim
                                ? keys[static_cast<std::size_t>(key) * shape.dim + d]
                                : 0.0f;
    }
    __syncthreads();
    for (int i = 0; i < kTile; ++i) {
      for (int j = 0; j < kMine; ++j) {
        mine[j] += query_tile[warp + j * kWarps][i] * key_tile[lane][i];
      }
    }
  }
  for (int j = 0; j < kMine; ++j) mine[j] *= shape.scale;
}

__device__ inline bool sees(const ImportanceShape& shape, int query, int key) {
  return query < shape.queries && key < shape.keys && key <= shape.first + query;
}

__device__ inline const float* head_keys(const float* keys, const ImportanceShape& shape,
                                         int head) {
  const int kv_head = head / (shape.heads / shape.kv_heads);
  return keys + static_cast<std::size_t>(kv_head) * shape.keys * shape.dim;
}

// Pass one, grid (query tiles, heads): the largest logit and 1 / sum of exponentials of each query.
__global__ void rows_kernel(const float* queries, const float* keys, ImportanceShape shape,
                            float* highest, float* weight) {
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int head = static_cast<int>(blockIdx.y), tile = static_cast<int>(blockIdx.x) * kTile;
  queries += static_cast<std::size_t>(head) * shape.queries * shape.dim;
  keys = head_keys(keys, shape, head);
  const int last = min(tile + kTile, shape.queries) - 1;
  const int end = min(shape.keys, shape.first + last + 1);  // keys the tile's last query sees
  float top[kMine], sum[kMine], logits[kMine];              // each lane over its own keys
  for (int j = 0; j < kMine; ++j) {
    top[j] = -INFINITY;
    sum[j] = 0.0f;
  }
  for (int key_begin = 0; key_begin < end; key_begin += kTile) {
    tile_logits(queries, keys, shape, tile, key_begin, logits);
    for (int j = 0; j < kMine; ++j) {
      if (!sees(shape, tile + warp + j * kWarps, key_begin + lane)) continue;
      const float x = logits[j];
      if (x > top[j]) {
        sum[j] = sum[j] * expf(top[j] - x) + 1.0f;
        top[j] = x;
      } else {
        sum[j] += expf(x - top[j]);
      }
    }
  }
  for (int j = 0; j < kMine; ++j) {
    for (int apart = 16; apart > 0; apart /= 2) {
      const float other_top = __shfl_xor_sync(kAll, top[j], apart);
      const float other_sum = __shfl_xor_sync(kAll, sum[j], apart);
      const float both = fmaxf(top[j], other_top);
      // Equal maxima are not subtracted: a lane without keys has -inf, and -inf - -inf is NaN.
      const float mine = top[j] == both ? sum[j] : sum[j] * expf(top[j] - both);
      sum[j] = mine + (other_top == both ? other_sum : other_sum * expf(other_top - both));
      top[j] = both;
    }
    const int query = tile + warp + j * kWarps;
    if (lane == 0 && query < shape.queries) {
      const std::size_t at = static_cast<std::size_t>(head) * shape.queries + query;
      highest[at] = top[j];
      weight[at] = 1.0f / sum[j];
    }
  }
}

// Pass two, grid (key tiles, heads): the probabilities of each key added over all queries. No
// atomics: the order of the additions, so the result, is the same every time.
__global__ void columns_kernel(const float* queries, const float* keys, ImportanceShape shape,
                               const float* highest, const float* weight, float* sums) {
  __shared__ float totals[kWarps][kTile];
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int head = static_cast<int>(blockIdx.y), key = static_cast<int>(blockIdx.x) * kTile + lane;
  const std::size_t rows = static_cast<std::size_t>(head) * shape.queries;
  queries += rows * shape.dim;
  keys = head_keys(keys, shape, head);
  const int key_begin = key - lane;
  const int query_begin = max(0, key_begin - shape.first) / kTile * kTile;  // none before sees it
  float total = 0.0f, logits[kMine];
  for (int tile = query_begin; tile < shape.queries; tile += kTile) {
    tile_logits(queries, keys, shape, tile, key_begin, logits);
    float here = 0.0f;
    for (int j = 0; j < kMine; ++j) {
      const int query = tile + warp + j * kWarps;
      if (!sees(shape, query, key)) continue;
      here += expf(logits[j] - highest[rows + query]) * weight[rows + query];
    }
    total += here;
  }
  totals[warp][lane] = total;
  __syncthreads();
  if (warp > 0 || key >= shape.keys) return;
  for (int w = 1; w < kWarps; ++w) total += totals[w][lane];
  sums[static_cast<std::size_t>(head) * shape.keys + key] = total;
}

}  // namespace

void importance_cuda(const float* queries, const float* keys, const ImportanceShape& shape,
                     float* sums, void* stream) {
  if (shape.heads <= 0 || shape.keys <= 0) return;
  const auto on = static_cast<cudaStream_t>(stream);
  const std::size_t rows = static_cast<std::size_t>(shape.heads) * shape.queries;
  void* scratch = nullptr;  // (2, heads, queries): maxima, then weights
  check_cuda(cudaMallocAsync(&scratch, (2 * rows + 1) * sizeof(float), on), "importance_cuda");
  float *highest = static_cast<float*>(scratch), *weight = highest + rows;
  const dim3 block(kTile, kWarps);
  if (shape.queries > 0) {
    POLYKV_LAUNCH(rows_kernel, dim3((shape.queries + kTile - 1) / kTile, shape.heads), block, on,
                  queries, keys, shape, highest, weight);
  }
  POLYKV_LAUNCH(columns_kernel, dim3((shape.keys + kTile - 1) / kTile, shape.heads), block, on,
                queries, keys, shape, highest, weight, sums);
  const cudaError_t launched = cudaGetLastError();
  check_cuda(cudaFreeAsync(scratch, on), "importance_cuda");
  check_cuda(launched, "importance_cuda");
}

}  // namespace polykv
