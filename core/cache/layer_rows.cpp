#include "core/cache/layer_rows.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/cache/attend.h"
#include "core/cache/keep.h"
#include "core/policies/policy.h"
#include "kernels/attention.h"

namespace polykv {
namespace {

at::Tensor index_of(std::span<const std::int32_t> slots) {
  const at::Tensor index = at::empty({static_cast<std::int64_t>(slots.size())}, at::kInt);
  std::copy(slots.begin(), slots.end(), index.data_ptr<std::int32_t>());
  return index;
}

constexpr int kWindowSlack = 32;  // rows beyond a sliding window before they are moved out

// The same columns with t new ones of zeros behind them.
at::Tensor widened(const at::Tensor& columns, std::int64_t t) {
  std::vector<std::int64_t> sizes = columns.sizes().vec();
  sizes.back() = t;
  return at::cat({columns, at::zeros(sizes, columns.options())}, -1);
}

}  // namespace

at::Tensor LayerRows::held(const at::Tensor& block, int head) const {
  return block.narrow(0, heads_[head].start, length(head));
}

at::Tensor LayerRows::keys(int head) const { return held(k_, head); }
at::Tensor LayerRows::values(int head) const { return held(v_, head); }
at::Tensor LayerRows::totals(int head) const { return heads_[head].totals; }
at::Tensor LayerRows::recent(int head) const { return heads_[head].recent; }

bool LayerRows::even() const {
  return std::all_of(heads_.begin(), heads_.end(), [&](const Head& head) {
    return head.positions.size() == heads_[0].positions.size();
  });
}

bool LayerRows::one_block() const {
  return even() && std::all_of(heads_.begin(), heads_.end(), [&](const Head& head) {
           return head.capacity == heads_[0].capacity;
         });
}

void LayerRows::fill(const LayerState& state, int tokens, const Kept& kept, int room) {
  const int d = shape_.head_dim;
  if (window_ > 0) room = std::min(room, kWindowSlack);
  heads_.assign(shape_.kv_heads, Head{});
  std::int64_t rows = 0;
  for (int h = 0; h < shape_.kv_heads; ++h) {
    Head& head = heads_[h];
    if (kept.everything()) {
      head.positions.resize(tokens);
      std::iota(head.positions.begin(), head.positions.end(), 0);
    } else {
      head.positions.assign(kept.head(h).begin(), kept.head(h).end());
    }
    head.filled = length(h);
    head.capacity = head.filled + room;
    head.start = rows;
    rows += head.capacity;
  }
  k_ = at::empty({rows, d}, state.k.options());
  v_ = at::empty({rows, d}, state.v.options());
  const auto allocated = static_cast<std::int64_t>(k_.storage().nbytes() + v_.storage().nbytes());
  filled_bytes_ = allocated - 2LL * shape_.kv_heads * room * d *
                                  static_cast<std::int64_t>(state.k.element_size());
  for (int h = 0; h < shape_.kv_heads; ++h) {
    at::Tensor k = held(k_, h), v = held(v_, h);
    gather_rows(state.k[h], heads_[h].positions, k);
    gather_rows(state.v[h], heads_[h].positions, v);
  }
}

void LayerRows::fill_memory(const at::Tensor& totals, const at::Tensor& recent) {
  for (int h = 0; h < shape_.kv_heads; ++h) {
    Head& head = heads_[h];
    const at::Tensor index = index_of(head.positions);
    const std::int64_t first = static_cast<std::int64_t>(h) * group();
    if (memory_.totals) head.totals = totals.narrow(0, first, group()).index_select(-1, index);
    if (memory_.window) head.recent = recent.narrow(0, first, group()).index_select(-1, index);
  }
}

void LayerRows::append(const at::Tensor& k, const at::Tensor& v, int first_position) {
  const int t = static_cast<int>(k.size(1));
  const bool full = std::any_of(heads_.begin(), heads_.end(), [&](const Head& head) {
    return static_cast<int>(head.positions.size()) + t > head.capacity;
  });
  if (full) grow(t);
  for (int h = 0; h < shape_.kv_heads; ++h) {
    const std::int64_t row = heads_[h].start + length(h);
    k_.narrow(0, row, t).copy_(k[h]);
    v_.narrow(0, row, t).copy_(v[h]);
    for (int i = 0; i < t; ++i) heads_[h].positions.push_back(first_position + i);
  }
}

// Room for at least t more rows in every head.
void LayerRows::grow(int t) {
  std::vector<at::Tensor> k, v;
  std::int64_t rows = 0;
  for (int h = 0; h < shape_.kv_heads; ++h) {
    const at::Tensor room = at::empty({t, shape_.head_dim}, k_.options());
    k.insert(k.end(), {held(k_, h), room});
    v.insert(v.end(), {held(v_, h), room});
  }
  k_ = at::cat(k);
  v_ = at::cat(v);
  for (int h = 0; h < shape_.kv_heads; ++h) {
    heads_[h].start = rows;
    heads_[h].capacity = length(h) + t;
    rows += heads_[h].capacity;
  }
}

at::Tensor LayerRows::attend(const at::Tensor& q) {
  at::Tensor out;
  const std::int64_t t = q.size(1);
  if (memory_.empty() && one_block()) {
    const std::int64_t heads = shape_.kv_heads, capacity = heads_[0].capacity;
    // A single query sees the newest rows of a window and needs no mask.
    const int seen = t == 1 && window_ > 0 ? std::min(length(0), window_) : length(0);
    const auto all = [&](const at::Tensor& block) {
      return block.view({heads, capacity, shape_.head_dim}).narrow(1, length(0) - seen, seen);
    };
    out = polykv::attend(q, all(k_), all(v_), window_);
  } else {
    out = attend_ragged(q);
  }
  if (window_ > 0) slide();
  return out;
}

// Through the kernel that takes heads of any lengths; it computes in fp32.
at::Tensor LayerRows::attend_ragged(const at::Tensor& q) {
  const int t = static_cast<int>(q.size(1));
  std::vector<std::int64_t> starts;
  std::vector<int> lengths;
  for (int h = 0; h < shape_.kv_heads; ++h) {
    starts.push_back(heads_[h].start);
    lengths.push_back(length(h));
  }
  const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const AttentionShape shape{.heads = shape_.query_heads,
                             .kv_heads = shape_.kv_heads,
                             .queries = t,
                             .dim = shape_.head_dim,
                             .scale = static_cast<float>(1.0 / std::sqrt(double(shape_.head_dim)))};
  const at::Tensor queries = q.to(at::kFloat).contiguous(), k = k_.to(at::kFloat),
                   v = v_.to(at::kFloat);
  at::Tensor out = at::empty({t, std::int64_t{shape.heads} * shape.dim}, at::kFloat);
  at::Tensor rows;
  if (!memory_.empty()) rows = at::empty({shape.heads, t, longest}, at::kFloat);
  float* probabilities = rows.defined() ? rows.data_ptr<float>() : nullptr;
  at::parallel_for(0, shape.kv_heads, 1, [&](std::int64_t first, std::int64_t last) {
    attention_cpu(queries.data_ptr<float>(), k.data_ptr<float>(), v.data_ptr<float>(),
                  starts.data(), lengths.data(), shape, static_cast<int>(first) * group(),
                  static_cast<int>(last) * group(), out.data_ptr<float>(), probabilities, longest);
  });
  for (int h = 0; h < shape_.kv_heads && rows.defined(); ++h) {
    remember(h, rows.narrow(0, std::int64_t{h} * group(), group()).narrow(2, 0, lengths[h]));
  }
  return out.to(q.scalar_type());
}

// rows (group, t, length): what t new queries gave to everything held, themselves included.
void LayerRows::remember(int head_index, const at::Tensor& rows) {
  Head& head = heads_[head_index];
  const std::int64_t t = rows.size(1);
  if (memory_.totals) head.totals = widened(head.totals, t).add_(rows.sum(1));
  if (memory_.window == 0) return;
  const at::Tensor all = at::cat({widened(head.recent, t), rows}, 1);
  const std::int64_t last = std::min<std::int64_t>(all.size(1), memory_.window);
  head.recent = all.narrow(1, all.size(1) - last, last);
}

void LayerRows::slide() {
  const int over = length(0) - window_;
  if (over < kWindowSlack) return;
  Kept newest;
  std::vector<std::int32_t> slots(static_cast<std::size_t>(window_));
  std::iota(slots.begin(), slots.end(), over);
  for (int h = 0; h < shape_.kv_heads; ++h) newest.add_head(slots);
  keep(0, newest);
}

void LayerRows::keep(int first_head, const Kept& slots) {
  const int count = static_cast<int>(slots.offsets.size()) - 1;
  for (int i = 0; i < count; ++i) {
    Head& head = heads_[first_head + i];
    const std::span<const std::int32_t> stays = slots.head(i);
    const at::Tensor index = index_of(stays);
    const std::int64_t rows = index.size(0);
    k_.narrow(0, head.start, rows).copy_(keys(first_head + i).index_select(0, index));
    v_.narrow(0, head.start, rows).copy_(values(first_head + i).index_select(0, index));
    if (memory_.totals) head.totals = head.totals.index_select(-1, index);
    if (memory_.window) head.recent = head.recent.index_select(-1, index);
    std::vector<std::int32_t> positions;
    for (const std::int32_t slot : stays) positions.push_back(head.positions[slot]);
    head.positions = std::move(positions);
  }
}

void LayerRows::merge(const Policy& policy, const LayerView& view, const LayerScores& scores,
                      const Kept& kept, const Params& params) {
  std::vector<at::Tensor> k, v;
  for (int h = 0; h < view.shape().kv_heads; ++h) {
    k.push_back(keys(view.first_kv_head() + h).to(at::kFloat));
    v.push_back(values(view.first_kv_head() + h).to(at::kFloat));
  }
  at::Tensor merged_k = at::stack(k), merged_v = at::stack(v);
  policy.merge(view, scores, kept, params, merge_memory_, merged_k, merged_v);
  for (int h = 0; h < view.shape().kv_heads; ++h) {
    keys(view.first_kv_head() + h).copy_(merged_k[h]);
    values(view.first_kv_head() + h).copy_(merged_v[h]);
  }
}

LayerRows LayerRows::copy() const {
  LayerRows other = *this;  // totals and recent are replaced, never written in place
  other.k_ = k_.clone();
  other.v_ = v_.clone();
  return other;
}

void LayerRows::rewind() {
  for (Head& head : heads_) head.positions.resize(head.filled);
}

}  // namespace polykv
