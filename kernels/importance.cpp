#include "kernels/importance.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/simd.h"

namespace polykv {
namespace importance_detail {

constexpr int kTile = 32;  // keys transposed together: (dim, kTile)
constexpr int kRows = 8;   // query rows handled together
constexpr float kHidden = -std::numeric_limits<float>::infinity();

// keys (count, dim) -> tiles (ceil(count / kTile), dim, kTile), the last one padded with zeros.
void transpose_keys(const float* keys, int count, int dim, float* tiles) {
  for (int start = 0; start < count; start += kTile) {
    const int here = std::min(kTile, count - start);
    for (int k = 0; k < here; ++k) {
      const float* key = keys + static_cast<std::size_t>(start + k) * dim;
      for (int d = 0; d < dim; ++d) tiles[d * kTile + k] = key[d];
    }
    for (int k = here; k < kTile; ++k) {
      for (int d = 0; d < dim; ++d) tiles[d * kTile + k] = 0.0f;
    }
    tiles += static_cast<std::size_t>(dim) * kTile;
  }
}

// queries (dim, kRows), already scaled; tile (dim, kTile); logits: kRows rows, `stride` apart.
// Four rows of accumulators at a time stay in registers.
POLYKV_CLONES void tile_logits(const float* __restrict queries, const float* __restrict tile,
                               int dim, float* __restrict logits, std::size_t stride) {
  constexpr int kTogether = 4;
  for (int first = 0; first < kRows; first += kTogether) {
    float dot[kTogether][kTile] = {};
    for (int d = 0; d < dim; ++d) {
      for (int i = 0; i < kTogether; ++i) {
        const float query = queries[d * kRows + first + i];
        for (int k = 0; k < kTile; ++k) dot[i][k] += query * tile[d * kTile + k];
      }
    }
    for (int i = 0; i < kTogether; ++i) {
      for (int k = 0; k < kTile; ++k) logits[(first + i) * stride + k] = dot[i][k];
    }
  }
}

// One row of `count` logits (a multiple of kTile) becomes exp(logit - maximum); returns their sum.
POLYKV_CLONES float exponentiate(float* __restrict row, int count) {
  float lane[kTile];  // lanes instead of one number: a plain reduction would not vectorise
  for (int k = 0; k < kTile; ++k) lane[k] = row[k];
  for (int start = kTile; start < count; start += kTile) {
    for (int k = 0; k < kTile; ++k) {
      const float x = row[start + k];
      lane[k] = lane[k] < x ? x : lane[k];
    }
  }
  const float highest = *std::max_element(lane, lane + kTile);
  for (int k = 0; k < kTile; ++k) lane[k] = 0.0f;
  for (int start = 0; start < count; start += kTile) {
    for (int k = 0; k < kTile; ++k) {
      const float e = exp_negative(row[start + k] - highest);
      row[start + k] = e;
      lane[k] += e;
    }
  }
  float sum = 0.0f;
  for (int k = 0; k < kTile; ++k) sum += lane[k];
  return sum;
}

// sums[k] += `rows` rows' values times their weights; added up first, which also rounds less.
POLYKV_CLONES void add_columns(const float* __restrict logits, std::size_t stride,
                               const float* __restrict weights, int rows, int valid,
                               float* __restrict sums) {
  for (int start = 0; start < valid; start += kTile) {
    float total[kTile] = {};
    for (int i = 0; i < rows; ++i) {
      const float* row = logits + i * stride + start;
      for (int k = 0; k < kTile; ++k) total[k] += weights[i] * row[k];
    }
    const int here = std::min(kTile, valid - start);
    for (int k = 0; k < here; ++k) sums[start + k] += total[k];
  }
}

// Buffers of one call. A block is kRows rows of one kv head: its query heads' queries, one head
// after another, cut at the same places whatever heads are asked for, so that sums do not depend
// on how heads are spread over threads.
struct Work {
  std::size_t stride;         // keys, rounded up to whole tiles
  std::vector<float> tiles;   // one kv head's keys, transposed
  std::vector<float> logits;  // (kRows, stride)
  std::vector<float> block;   // (dim, kRows): scaled queries
};

// The block whose first row is `first`; only rows [row_begin, row_end) count.
void add_block(const float* queries, const ImportanceShape& shape, std::int64_t first,
               std::int64_t row_begin, std::int64_t row_end, Work& work, float* sums) {
  const int begin = static_cast<int>(std::max(row_begin - first, std::int64_t{0}));
  const int end = static_cast<int>(std::min(row_end - first, std::int64_t{kRows}));
  int visible[kRows] = {}, most = 0;  // keys each row sees
  std::fill(work.block.begin(), work.block.end(), 0.0f);
  for (int i = begin; i < end; ++i) {
    const float* query = queries + (first + i) * shape.dim;
    for (int d = 0; d < shape.dim; ++d) work.block[d * kRows + i] = query[d] * shape.scale;
    const int position = shape.first + static_cast<int>((first + i) % shape.queries);
    visible[i] = std::clamp(position + 1, 0, shape.keys);
    most = std::max(most, visible[i]);
  }
  const int padded = (most + kTile - 1) / kTile * kTile;
  for (int start = 0; start < padded; start += kTile) {
    tile_logits(work.block.data(), work.tiles.data() + static_cast<std::size_t>(start) * shape.dim,
                shape.dim, work.logits.data() + start, work.stride);
  }
  float weights[kRows] = {};
  for (int i = begin; i < end; ++i) {
    float* row = work.logits.data() + i * work.stride;
    std::fill(row + visible[i], row + padded, visible[i] > 0 ? kHidden : 0.0f);
    if (visible[i] > 0) weights[i] = 1.0f / exponentiate(row, padded);
  }
  for (int i = begin, next; i < end; i = next) {  // once per head met in the block
    const std::int64_t head = (first + i) / shape.queries;
    next = static_cast<int>(std::min<std::int64_t>(end, (head + 1) * shape.queries - first));
    add_columns(work.logits.data() + i * work.stride, work.stride, weights + i, next - i, most,
                sums + head * shape.keys);
  }
}

}  // namespace importance_detail

void importance_cpu(const float* queries, const float* keys, const ImportanceShape& shape,
                    int head_begin, int head_end, float* sums) {
  using namespace importance_detail;
  if (shape.keys <= 0 || head_end <= head_begin) return;
  const std::size_t count = shape.keys;
  std::fill(sums + head_begin * count, sums + head_end * count, 0.0f);
  const int group = shape.heads / shape.kv_heads;
  Work work;
  work.stride = (count + kTile - 1) / kTile * kTile;
  work.tiles.resize(work.stride * shape.dim);
  work.logits.resize(work.stride * kRows);
  work.block.resize(static_cast<std::size_t>(shape.dim) * kRows);
  for (int kv_head = head_begin / group; kv_head * group < head_end; ++kv_head) {
    transpose_keys(keys + kv_head * count * shape.dim, shape.keys, shape.dim, work.tiles.data());
    const std::int64_t queries_each = shape.queries;
    const std::int64_t start = kv_head * group * queries_each;
    const std::int64_t row_begin = std::max(start, head_begin * queries_each);
    const std::int64_t row_end = std::min(start + group * queries_each, head_end * queries_each);
    for (std::int64_t first = row_begin - (row_begin - start) % kRows; first < row_end;
         first += kRows) {
      add_block(queries, shape, first, row_begin, row_end, work, sums);
    }
  }
}

}  // namespace polykv
