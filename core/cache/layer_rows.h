#pragma once
// The cached rows of one layer of one sequence: real memory, original positions, and what decode
// policies remember of past queries. Knows torch.
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "core/cache/kept.h"
#include "core/cache/layer_view.h"
#include "core/cache/prompt_state.h"

namespace polykv {

// What a decode policy remembers of past queries. It is gathered with the same indices as keys and
// values.
struct QueryMemory {
  bool totals = false;  // attention summed over every query
  int window = 0;       // attention of the last `window` queries, row by row
  bool empty() const { return !totals && window == 0; }
};

class LayerRows {
 public:
  LayerRows() = default;
  // window > 0: the layer's sliding window; older rows leave the cache by themselves.
  LayerRows(const ModelShape& shape, int window, QueryMemory memory)
      : shape_(shape), window_(window), memory_(memory) {}

  // Takes the kept rows of a full run's first `tokens` tokens, with room for `room` more per head.
  void fill(const LayerState& state, int tokens, const Kept& kept, int room);
  // What the prompt's queries gave to its tokens: (query_heads, tokens) summed over all of them and
  // (query_heads, queries, tokens) of the last ones; each is read when the memory asks for it.
  void fill_memory(const at::Tensor& totals, const at::Tensor& recent);
  // Appends t tokens at positions first_position, ...: k, v (kv_heads, t, head_dim).
  void append(const at::Tensor& k, const at::Tensor& v, int first_position);
  // Attention of the newest t tokens, q (query_heads, t, head_dim), over all rows and causal among
  // themselves; remembered when there is a memory. Returns (t, query_heads * head_dim). Rows that
  // no later query of a sliding window sees leave.
  at::Tensor attend(const at::Tensor& q);
  // Keeps these slots (indices into what a head holds, not positions) of the kv heads from
  // first_head on.
  void keep(int first_head, const Kept& slots);
  // Folds what the cut of the view evicts into the rows of all heads that stay, which this holds
  // already and in which the slots of `kept` were gathered.
  void merge(const Policy& policy, const LayerView& view, const LayerScores& scores,
             const Kept& kept, const Params& params);
  // Forgets what was appended since the last fill.
  void rewind();
  LayerRows copy() const;  // with memory of its own

  const ModelShape& shape() const { return shape_; }
  const QueryMemory& memory() const { return memory_; }
  bool even() const;  // every kv head holds the same number of rows
  int length(int head) const { return static_cast<int>(heads_[head].positions.size()); }
  const std::vector<std::int32_t>& positions(int head) const { return heads_[head].positions; }
  at::Tensor keys(int head) const;    // (length, head_dim)
  at::Tensor values(int head) const;  // (length, head_dim)
  at::Tensor totals(int head) const;  // (group, length)
  at::Tensor recent(int head) const;  // (group, queries, length), the newest query last
  // Bytes that the last fill allocated, without the room for new rows.
  std::int64_t filled_bytes() const { return filled_bytes_; }

  int fed = 0;  // answer tokens since the prompt

 private:
  struct Head {
    std::int64_t start = 0;  // its first row in the block
    int capacity = 0, filled = 0;
    std::vector<std::int32_t> positions;
    at::Tensor totals, recent;  // (group, length), (group, queries, length)
  };
  int group() const { return shape_.query_heads / shape_.kv_heads; }
  at::Tensor held(const at::Tensor& block, int head) const;
  bool one_block() const;  // all heads as one (kv_heads, length, head_dim) view
  at::Tensor attend_ragged(const at::Tensor& q);
  void remember(int head, const at::Tensor& rows);
  void grow(int tokens);
  void slide();

  ModelShape shape_;
  int window_ = 0;
  QueryMemory memory_;
  at::Tensor k_, v_;  // (rows of all heads, each head's with its room, head_dim)
  std::vector<Head> heads_;
  std::int64_t filled_bytes_ = 0;
  std::vector<double> merge_memory_;  // what a merging policy carries from cut to cut
};

}  // namespace polykv
