#include "kernels/importance.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/simd.h"

namespace polykv {
namespace importance_detail {

constexpr int kTile = 32;          // keys transposed together: (dim, kTile)
constexpr int kRows = 8;           // query rows transposed together: (dim, kRows)
constexpr int kChunk = 8 * kTile;  // keys whose exponentials share one maximum
constexpr int kBlockRows = 64;     // about so many query rows read a tile while it is in the cache
constexpr float kHidden = -std::numeric_limits<float>::infinity();
constexpr float kLowest = std::numeric_limits<float>::lowest();

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

template <int kLanes>
struct Vector {
  typedef float type __attribute__((vector_size(kLanes * sizeof(float))));
};

// queries (dim, kRows), already scaled; tile (dim, kTile); logits: kRows rows, kChunk apart. kHigh
// times kWide vectors of sums at a time stay in registers.
template <int kLanes, int kHigh, int kWide>
inline __attribute__((always_inline)) void multiply(const float* __restrict queries,
                                                    const float* __restrict tile, int dim,
                                                    float* __restrict logits) {
  using Lanes = typename Vector<kLanes>::type;
  for (int row = 0; row < kRows; row += kHigh) {
    for (int key = 0; key < kTile; key += kWide * kLanes) {
      Lanes dots[kHigh][kWide] = {};
      for (int d = 0; d < dim; ++d) {
        for (int k = 0; k < kWide; ++k) {
          Lanes keys;
          std::memcpy(&keys, tile + d * kTile + key + k * kLanes, sizeof(keys));
          for (int i = 0; i < kHigh; ++i) dots[i][k] += queries[d * kRows + row + i] * keys;
        }
      }
      for (int i = 0; i < kHigh; ++i) {
        for (int k = 0; k < kWide; ++k) {  // one by one: an array copied whole leaves the registers
          const Lanes sums = dots[i][k];
          std::memcpy(logits + (row + i) * kChunk + key + k * kLanes, &sums, sizeof(sums));
        }
      }
    }
  }
}

// As many sums as the registers hold: 16 of 32 vectors of 512 bits, 12 or 8 of 16 smaller ones.
#ifdef POLYKV_LEVELS
__attribute__((target("arch=x86-64-v4"))) void tile_logits(const float* queries, const float* tile,
                                                           int dim, float* logits) {
  multiply<16, 8, 2>(queries, tile, dim, logits);
}
__attribute__((target("arch=x86-64-v3"))) void tile_logits(const float* queries, const float* tile,
                                                           int dim, float* logits) {
  multiply<8, 4, 2>(queries, tile, dim, logits);
}
__attribute__((target("default")))
#endif
void tile_logits(const float* queries, const float* tile, int dim, float* logits) {
  multiply<4, 4, 2>(queries, tile, dim, logits);
}

struct Sum {
  float highest, total;
};

// `count` logits (a multiple of kTile) become exp(logit - highest); returns their highest and sum.
POLYKV_CLONES Sum exponentiate(float* __restrict row, int count) {
  float lane[kTile];  // lanes instead of one number: a plain reduction would not vectorise
  for (int k = 0; k < kTile; ++k) lane[k] = row[k];
  for (int start = kTile; start < count; start += kTile) {
    for (int k = 0; k < kTile; ++k) {
      const float x = row[start + k];
      lane[k] = lane[k] < x ? x : lane[k];
    }
  }
  for (int width = kTile / 2; width > 0; width /= 2) {
    for (int k = 0; k < width; ++k) lane[k] = lane[k] < lane[k + width] ? lane[k + width] : lane[k];
  }
  const float highest = lane[0];
  for (int k = 0; k < kTile; ++k) lane[k] = 0.0f;
  for (int start = 0; start < count; start += kTile) {
    for (int k = 0; k < kTile; ++k) {
      const float e = exp_negative(row[start + k] - highest);
      row[start + k] = e;
      lane[k] += e;
    }
  }
  for (int width = kTile / 2; width > 0; width /= 2) {
    for (int k = 0; k < width; ++k) lane[k] += lane[k + width];
  }
  return {highest, lane[0]};
}

// sums[k] += `rows` rows' values times their weights; added up first, which also rounds less.
POLYKV_CLONES void add_columns(const float* __restrict logits, const float* __restrict weights,
                               int rows, int valid, float* __restrict sums) {
  for (int start = 0; start < valid; start += kTile) {
    float total[kTile] = {};
    for (int i = 0; i < rows; ++i) {
      const float* row = logits + i * kChunk + start;
      for (int k = 0; k < kTile; ++k) total[k] += weights[i] * row[k];
    }
    const int here = std::min(kTile, valid - start);
    for (int k = 0; k < here; ++k) sums[start + k] += total[k];
  }
}

// Turns (chunks, rows) highest and totals of chunks into the weights of their exponentials, in
// place of highest: exp(highest - the row's highest) / the row's sum, 0 for a row that sees
// nothing.
POLYKV_CLONES void weigh_chunks(float* __restrict highest, const float* __restrict totals,
                                int chunks, int rows) {
  for (int row = 0; row < rows; row += kRows) {
    float top[kRows], sum[kRows] = {}, share[kRows];
    for (int i = 0; i < kRows; ++i) top[i] = highest[row + i];
    for (int c = 1; c < chunks; ++c) {
      for (int i = 0; i < kRows; ++i) {
        const float x = highest[c * rows + row + i];
        top[i] = top[i] < x ? x : top[i];
      }
    }
    for (int c = 0; c < chunks; ++c) {
      for (int i = 0; i < kRows; ++i) {
        float& x = highest[c * rows + row + i];
        x = exp_negative(x - top[i]);
        sum[i] += x * totals[c * rows + row + i];
      }
    }
    for (int i = 0; i < kRows; ++i) share[i] = sum[i] == 0.0f ? 0.0f : 1.0f / sum[i];
    for (int c = 0; c < chunks; ++c) {
      for (int i = 0; i < kRows; ++i) highest[c * rows + row + i] *= share[i];
    }
  }
}

// Buffers of one call. A block is `positions` neighbouring queries of every head asked for in a
// group, one head after another: they see nearly the same keys. Where blocks begin does not depend
// on which heads are asked for, so neither do the sums.
struct Work {
  int positions;
  Floats tiles;    // one kv head's keys, transposed
  Floats block;    // (rows / kRows, dim, kRows): scaled queries
  Floats logits;   // (chunks, rows, kChunk): logits, then exp(logit - the chunk's highest)
  Floats weights;  // (chunks, rows)
  Floats totals;   // (chunks, rows): sums of the exponentials
  std::vector<int> visible;  // (rows): keys a row sees

  Work(const ImportanceShape& shape, int group) : positions(std::max(kRows, kBlockRows / group)) {
    positions = std::min(positions, std::max(shape.queries, 1));
    const std::size_t rows = (positions * group + kRows - 1) / kRows * kRows;
    const std::size_t chunks = (shape.keys + kChunk - 1) / kChunk;
    tiles = make_floats(chunks * kChunk * shape.dim);
    block = make_floats(rows * shape.dim);
    logits = make_floats(chunks * rows * kChunk);
    weights = make_floats(chunks * rows);
    totals = make_floats(chunks * rows);
    visible.resize(rows);
  }
};

// Adds queries [first, last) of heads [head_begin, head_end), all of one group.
void add_block(const float* queries, const ImportanceShape& shape, int first, int last,
               int head_begin, int head_end, Work& work, float* sums) {
  const int dim = shape.dim, each = last - first, count = each * (head_end - head_begin);
  const int rows = (count + kRows - 1) / kRows * kRows;
  for (int i = 0; i < rows; ++i) {  // rows that fill up the last kRows: zeros
    float* to = work.block.get() + (i / kRows * dim) * kRows + i % kRows;
    const int head = head_begin + i / each, position = first + i % each;
    const float* from = queries + (static_cast<std::size_t>(head) * shape.queries + position) * dim;
    for (int d = 0; d < dim; ++d) to[d * kRows] = i < count ? from[d] * shape.scale : 0.0f;
    work.visible[i] = static_cast<int>(
        std::clamp<std::int64_t>(std::int64_t{shape.first} + position + 1, 0, shape.keys));
  }
  const int most = work.visible[each - 1];
  const int chunks = (most + kChunk - 1) / kChunk;
  for (int c = 0; c < chunks; ++c) {
    const int start = c * kChunk;
    const int width = (std::min(kChunk, most - start) + kTile - 1) / kTile * kTile;
    float* logits = work.logits.get() + static_cast<std::size_t>(c) * rows * kChunk;
    for (int key = 0; key < width; key += kTile) {
      const float* tile = work.tiles.get() + static_cast<std::size_t>(start + key) * dim;
      for (int row = 0; row < rows; row += kRows) {
        tile_logits(work.block.get() + row * dim, tile, dim, logits + row * kChunk + key);
      }
    }
    for (int i = 0; i < rows; ++i) {
      float* row = logits + i * kChunk;
      const int seen = std::clamp(work.visible[i] - start, 0, width);
      std::fill(row + seen, row + width, seen > 0 ? kHidden : 0.0f);
      const Sum sum = seen > 0 ? exponentiate(row, width) : Sum{kLowest, 0.0f};
      work.weights[c * rows + i] = sum.highest;
      work.totals[c * rows + i] = sum.total;
    }
  }
  weigh_chunks(work.weights.get(), work.totals.get(), chunks, rows);
  for (int c = 0; c < chunks; ++c) {
    for (int i = 0; i < count; i += each) {
      add_columns(work.logits.get() + (static_cast<std::size_t>(c) * rows + i) * kChunk,
                  work.weights.get() + c * rows + i, each, std::min(kChunk, most - c * kChunk),
                  sums + static_cast<std::size_t>(head_begin + i / each) * shape.keys + c * kChunk);
    }
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
  Work work(shape, group);
  for (int kv_head = head_begin / group; kv_head * group < head_end; ++kv_head) {
    transpose_keys(keys + kv_head * count * shape.dim, shape.keys, shape.dim, work.tiles.get());
    const int begin = std::max(kv_head * group, head_begin);
    const int end = std::min((kv_head + 1) * group, head_end);
    for (int first = 0; first < shape.queries; first += work.positions) {
      add_block(queries, shape, first, std::min(first + work.positions, shape.queries), begin, end,
                work, sums);
    }
  }
}

}  // namespace polykv
