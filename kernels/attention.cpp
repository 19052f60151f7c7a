#include "kernels/attention.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/simd.h"

namespace polykv {
namespace attention_detail {

constexpr int kTogether = 4;   // query rows that share one read of a key or value
constexpr int kUnits = 4;      // times kTogether rows make a block, whose logits are held
constexpr int kTileKeys = 64;  // keys or values that stay in the cache for a block's rows
constexpr int kPad = 8;        // logits are padded to this many keys
constexpr float kHidden = -std::numeric_limits<float>::infinity();

constexpr int kLanes = 8;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

// sum[j] = the sum over all lanes of dots[j]. Every step folds two vectors into one.
inline __attribute__((always_inline)) void add_lanes(const Lanes* dots, Lanes& sum) {
  Lanes quarters[4], halves[2];
  for (int j = 0; j < 4; ++j) {
    quarters[j] = __builtin_shufflevector(dots[j], dots[j + 4], 0, 1, 2, 3, 8, 9, 10, 11) +
                  __builtin_shufflevector(dots[j], dots[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int j = 0; j < 2; ++j) {
    const Lanes &a = quarters[j], &b = quarters[j + 2];
    halves[j] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13) +
                __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
  }
  sum = __builtin_shufflevector(halves[0], halves[1], 0, 8, 2, 10, 4, 12, 6, 14) +
        __builtin_shufflevector(halves[0], halves[1], 1, 9, 3, 11, 5, 13, 7, 15);
}

// Logits of kTogether query rows with `count` keys: logits (count rounded up to even, kTogether).
// queries (kTogether, padded_dim), padded with zeros to whole lanes.
POLYKV_CLONES void tile_logits(const float* __restrict queries, int padded_dim,
                               const float* __restrict keys, int count, int dim,
                               float* __restrict logits) {
  const int whole = dim / kLanes * kLanes;
  const std::size_t rest = (dim - whole) * sizeof(float);
  for (int k = 0; k < count; k += 2) {
    const float* first = keys + static_cast<std::size_t>(k) * dim;
    const float* second = k + 1 < count ? first + dim : first;
    Lanes dots[2 * kTogether] = {};
    for (int d = 0; d < whole; d += kLanes) {
      Lanes a, b, query;
      std::memcpy(&a, first + d, sizeof(a));
      std::memcpy(&b, second + d, sizeof(b));
      for (int i = 0; i < kTogether; ++i) {
        std::memcpy(&query, queries + i * padded_dim + d, sizeof(query));
        dots[i] += query * a;
        dots[kTogether + i] += query * b;
      }
    }
    if (rest > 0) {
      Lanes a = {}, b = {}, query;
      std::memcpy(&a, first + whole, rest);
      std::memcpy(&b, second + whole, rest);
      for (int i = 0; i < kTogether; ++i) {
        std::memcpy(&query, queries + i * padded_dim + whole, sizeof(query));
        dots[i] += query * a;
        dots[kTogether + i] += query * b;
      }
    }
    Lanes sum;
    add_lanes(dots, sum);
    std::memcpy(logits + k * kTogether, &sum, sizeof(sum));
  }
}

// Logits (count, kTogether) become exp(logit - maximum of the row); sums[i]: row i's sum. count is
// a multiple of kPad.
POLYKV_CLONES void exponentiate(float* __restrict logits, int count, float* __restrict sums) {
  constexpr int kStep = kPad * kTogether;
  const std::size_t size = static_cast<std::size_t>(count) * kTogether;
  float highest[kStep], lane[kStep] = {};
  for (int l = 0; l < kStep; ++l) highest[l] = logits[l];
  for (std::size_t start = kStep; start < size; start += kStep) {
    for (int l = 0; l < kStep; ++l) {
      const float x = logits[start + l];
      highest[l] = highest[l] < x ? x : highest[l];
    }
  }
  for (int l = kTogether; l < kStep; ++l) {
    highest[l % kTogether] = std::max(highest[l % kTogether], highest[l]);
  }
  for (int l = kTogether; l < kStep; ++l) highest[l] = highest[l % kTogether];
  for (std::size_t start = 0; start < size; start += kStep) {
    for (int l = 0; l < kStep; ++l) {
      const float e = exp_negative(logits[start + l] - highest[l]);
      logits[start + l] = e;
      lane[l] += e;
    }
  }
  for (int i = 0; i < kTogether; ++i) sums[i] = 0.0f;
  for (int l = 0; l < kStep; ++l) sums[l % kTogether] += lane[l];
}

// Values of four keys (of which the last ones may be the same) into two rows: out (2, dim).
inline void add_four(const float* __restrict a, const float* __restrict b,
                     const float* __restrict c, const float* __restrict e, const float* weights,
                     int dim, float* __restrict first, float* __restrict second) {
  constexpr int kNext = kTogether;  // weights (4 keys, kTogether)
  const float a0 = weights[0], b0 = weights[kNext], c0 = weights[2 * kNext],
              e0 = weights[3 * kNext];
  const float a1 = weights[1], b1 = weights[kNext + 1], c1 = weights[2 * kNext + 1],
              e1 = weights[3 * kNext + 1];
  for (int d = 0; d < dim; ++d) {
    first[d] += (a0 * a[d] + b0 * b[d]) + (c0 * c[d] + e0 * e[d]);
    second[d] += (a1 * a[d] + b1 * b[d]) + (c1 * c[d] + e1 * e[d]);
  }
}

// out (kTogether, dim) = the `count` values times their weights (count rounded up to 4, kTogether);
// weights behind `count` are zero.
POLYKV_CLONES void weigh_values(const float* __restrict weights, const float* __restrict values,
                                int count, int dim, float* __restrict out) {
  for (int d = 0; d < kTogether * dim; ++d) out[d] = 0.0f;
  for (int k = 0; k < count; k += 4) {
    const float* value[4];
    for (int j = 0; j < 4; ++j) {
      value[j] = values + static_cast<std::size_t>(std::min(k + j, count - 1)) * dim;
    }
    for (int i = 0; i < kTogether; i += 2) {
      add_four(value[0], value[1], value[2], value[3], weights + k * kTogether + i, dim,
               out + i * dim, out + (i + 1) * dim);
    }
  }
}

// Buffers of one call. A unit is kTogether query rows; its logits lie side by side, key by key.
struct Work {
  int padded_dim;
  std::size_t stride;          // keys of the longest kv head, padded
  std::vector<float> queries;  // (kUnits, kTogether, padded_dim), scaled
  std::vector<float> logits;   // (kUnits, stride, kTogether)
  std::vector<float> sums;     // (kUnits, kTogether, dim)
  std::vector<float> part;     // (kTogether, dim): one tile's share of the sums
};

struct Output {
  float* out;   // (queries, heads * dim)
  float* rows;  // null, or (heads, queries, row_stride)
  std::int64_t row_stride;
};

// `count` query rows from row `first` of (heads, queries), all of one kv head with `length` rows.
void attend_block(const float* queries, const float* keys, const float* values, int length,
                  const AttentionShape& shape, std::int64_t first, int count, Work& work,
                  const Output& output) {
  const int dim = shape.dim, units = (count + kTogether - 1) / kTogether;
  const int padded = (length + kPad - 1) / kPad * kPad;
  std::fill(work.queries.begin(), work.queries.end(), 0.0f);
  for (int i = 0; i < count; ++i) {
    const float* query = queries + (first + i) * dim;
    for (int d = 0; d < dim; ++d) work.queries[i * work.padded_dim + d] = query[d] * shape.scale;
  }
  const auto logits_of = [&](int unit) { return &work.logits[unit * work.stride * kTogether]; };
  for (int start = 0; start < length; start += kTileKeys) {
    for (int unit = 0; unit < units; ++unit) {
      tile_logits(&work.queries[unit * kTogether * work.padded_dim], work.padded_dim,
                  keys + static_cast<std::size_t>(start) * dim, std::min(kTileKeys, length - start),
                  dim, logits_of(unit) + start * kTogether);
    }
  }
  float totals[kUnits * kTogether];
  for (int unit = 0; unit < units; ++unit) {
    for (int i = 0; i < kTogether; ++i) {
      const std::int64_t row = first + std::min(unit * kTogether + i, count - 1);
      const int seen = length - shape.queries + static_cast<int>(row % shape.queries) + 1;
      for (int k = seen; k < padded; ++k) logits_of(unit)[k * kTogether + i] = kHidden;
    }
    exponentiate(logits_of(unit), padded, totals + unit * kTogether);
  }
  std::fill(work.sums.begin(), work.sums.end(), 0.0f);
  for (int start = 0; start < length; start += kTileKeys) {
    for (int unit = 0; unit < units; ++unit) {
      weigh_values(logits_of(unit) + start * kTogether,
                   values + static_cast<std::size_t>(start) * dim,
                   std::min(kTileKeys, length - start), dim, work.part.data());
      float* sums = &work.sums[unit * kTogether * dim];
      for (int d = 0; d < kTogether * dim; ++d) sums[d] += work.part[d];
    }
  }
  for (int i = 0; i < count; ++i) {
    const std::int64_t head = (first + i) / shape.queries, query = (first + i) % shape.queries;
    const float share = 1.0f / totals[i];
    float* out = output.out + (query * shape.heads + head) * dim;
    for (int d = 0; d < dim; ++d) out[d] = work.sums[i * dim + d] * share;
    if (output.rows == nullptr) continue;
    float* row = output.rows + (first + i) * output.row_stride;
    const float* weights = logits_of(i / kTogether) + i % kTogether;
    for (int k = 0; k < length; ++k) row[k] = weights[k * kTogether] * share;
    std::fill(row + length, row + output.row_stride, 0.0f);
  }
}

}  // namespace attention_detail

void attention_cpu(const float* queries, const float* keys, const float* values,
                   const std::int64_t* starts, const int* lengths, const AttentionShape& shape,
                   int head_begin, int head_end, float* out, float* rows, std::int64_t row_stride) {
  using namespace attention_detail;
  if (shape.queries <= 0 || head_end <= head_begin) return;
  constexpr int kRows = kUnits * kTogether;
  const int group = shape.heads / shape.kv_heads;
  const std::int64_t dim = shape.dim, queries_each = shape.queries;
  const int kv_end = (head_end - 1) / group + 1;
  Work work;
  work.padded_dim = (shape.dim + kLanes - 1) / kLanes * kLanes;
  work.stride = *std::max_element(lengths + head_begin / group, lengths + kv_end);
  work.stride = (work.stride + kPad - 1) / kPad * kPad;
  const std::size_t units =
      std::min<std::int64_t>(kUnits, (group * queries_each - 1) / kTogether + 1);
  work.queries.resize(units * kTogether * work.padded_dim);
  work.logits.resize(units * kTogether * work.stride);
  work.sums.resize(units * kTogether * dim);
  work.part.resize(kTogether * dim);
  for (int kv_head = head_begin / group; kv_head < kv_end; ++kv_head) {
    const std::int64_t begin = std::max(kv_head * group, head_begin) * queries_each;
    const std::int64_t end = std::min((kv_head + 1) * group, head_end) * queries_each;
    for (std::int64_t first = begin; first < end; first += kRows) {
      attend_block(queries, keys + starts[kv_head] * dim, values + starts[kv_head] * dim,
                   lengths[kv_head], shape, first,
                   static_cast<int>(std::min<std::int64_t>(kRows, end - first)), work,
                   {out, rows, row_stride});
    }
  }
}

}  // namespace polykv
