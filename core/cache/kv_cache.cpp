#include "core/cache/kv_cache.h"

#include <algorithm>
#include <numeric>

#include "core/cache/attend.h"
#include "core/cache/keep.h"
#include "core/error.h"

namespace polykv {
namespace {

constexpr int kWindowRoom = 32;  // a windowed layer never holds more than this beyond its window

// The same rows with room for t more.
at::Tensor wider(const at::Tensor& rows, std::int64_t t) {
  return at::cat({rows, at::empty({rows.size(0), t, rows.size(2)}, rows.options())}, 1);
}

}  // namespace

void check_plan_fits(const Plan& plan, const ModelShape& shape) {
  if (plan.layers() != shape.layers) {
    fail_input("plan", "layers",
               "The plan has " + std::to_string(plan.layers()) + " layers, this model has " +
                   std::to_string(shape.layers) + ". Nothing was loaded.");
  }
  for (std::size_t l = 0; l < plan.of(Phase::decode).size(); ++l) {
    const LayerChoice& choice = plan.of(Phase::decode)[l];
    if (choice.policy == "full") continue;
    fail_input("plan", "layer " + std::to_string(l) + " decode",
               "'" + choice.policy + "': eviction while decoding is not built yet, expected full");
  }
}

CutLayer cut_layer(const Decoder& decoder, const LayerState& state, int layer, int tokens,
                   const LayerChoice& choice, std::uint64_t seed) {
  CutLayer cut;
  const int heads = decoder.config().shape.kv_heads;
  if (decoder.config().windows[layer] > 0) {
    cut.kept = window_rows(decoder.config().windows[layer], tokens, heads);
    return cut;
  }
  const Policy* policy = find_policy(choice.policy);
  if (!policy) {
    fail_input("plan", "layer " + std::to_string(layer), "unknown policy '" + choice.policy + "'");
  }
  if (!policy->score) return cut;
  const PromptView view(
      decoder, state,
      {.layer = layer, .tokens = tokens, .budget = choice.budget.value_or(tokens), .seed = seed});
  cut.scores = policy_scores(*policy, view, choice.params);
  cut.kept = keep_rows(*policy, choice, cut.scores, heads);
  return cut;
}

KvCache::KvCache(const Decoder& decoder, const Plan& plan, int room)
    : plan_(plan), room_(room), kv_heads_(decoder.config().shape.kv_heads) {
  if (plan.layers() > 0) check_plan_fits(plan, decoder.config().shape);
}

at::Tensor KvCache::prefill(const Decoder& decoder, std::span<const int> ids,
                            const CancelFlag* cancel) {
  cut_tokens_ = next_position_ = static_cast<int>(ids.size());
  return run_prompt(
      decoder, ids, [&](int layer, LayerState&& state) { cut(decoder, layer, state); }, cancel);
}

void KvCache::cut(const Decoder& decoder, int layer, const LayerState& state) {
  const ModelShape& s = decoder.config().shape;
  const LayerChoice keeps_all;
  const LayerChoice& choice = plan_.layers() == 0 ? keeps_all : plan_.of(Phase::prefill)[layer];
  cuts_.push_back(cut_layer(decoder, state, layer, cut_tokens_, choice, plan_.seed));
  const Kept& kept = cuts_.back().kept;
  Rows rows;
  rows.length = kept.everything() ? cut_tokens_ : kept.count(0);
  const int room = decoder.config().windows[layer] > 0 ? std::min(room_, kWindowRoom) : room_;
  rows.k = at::empty({s.kv_heads, rows.length + room, s.head_dim}, at::kFloat);
  rows.v = at::empty_like(rows.k);
  gather_rows(state.k, cut_tokens_, kept, rows.k);
  gather_rows(state.v, cut_tokens_, kept, rows.v);
  const std::int64_t allocated = rows.k.storage().nbytes() + rows.v.storage().nbytes();
  rows.cut_bytes = allocated - 2LL * s.kv_heads * room * s.head_dim * std::int64_t{sizeof(float)};
  rows_.push_back(std::move(rows));
}

at::Tensor KvCache::run(const Decoder& decoder, std::span<const int> ids,
                        const CancelFlag* cancel) {
  const std::int64_t t = static_cast<std::int64_t>(ids.size());
  const RopeAngles angles =
      decoder.angles(at::arange(next_position_, next_position_ + t, at::kLong),
                     static_cast<int>(next_position_ + t));
  at::Tensor x = decoder.embed(ids);
  for (std::size_t l = 0; l < rows_.size(); ++l) {
    stop_if(cancel);
    Rows& rows = rows_[l];
    const int window = decoder.config().windows[l];
    const Projected p = decoder.project(static_cast<int>(l), x, angles);
    if (rows.length + t > rows.k.size(1)) rows.k = wider(rows.k, t), rows.v = wider(rows.v, t);
    rows.k.narrow(1, rows.length, t).copy_(p.k);
    rows.v.narrow(1, rows.length, t).copy_(p.v);
    const std::int64_t used = rows.length + t;
    x = decoder.finish(static_cast<int>(l), x,
                       attend(p.q, rows.k.narrow(1, 0, used), rows.v.narrow(1, 0, used), window));
    rows.length = static_cast<int>(used);
    if (window > 0 && rows.length > window) {  // what no later query sees leaves the cache
      rows.k.narrow(1, 0, window).copy_(rows.k.narrow(1, used - window, window).clone());
      rows.v.narrow(1, 0, window).copy_(rows.v.narrow(1, used - window, window).clone());
      rows.dropped += rows.length - window;
      rows.length = window;
    }
  }
  next_position_ += static_cast<int>(t);
  return x;
}

std::int64_t KvCache::cut_bytes() const {
  return std::accumulate(rows_.begin(), rows_.end(), std::int64_t{0},
                         [](std::int64_t sum, const Rows& rows) { return sum + rows.cut_bytes; });
}

std::vector<int> KvCache::positions(int layer, int kv_head) const {
  const Kept& kept = cuts_[layer].kept;
  std::vector<int> out;
  if (kept.everything()) {
    out.resize(cut_tokens_);
    std::iota(out.begin(), out.end(), 0);
  } else {
    out.assign(kept.head(kv_head).begin(), kept.head(kv_head).end());
  }
  for (int p = cut_tokens_; p < next_position_; ++p) out.push_back(p);
  out.erase(out.begin(), out.begin() + rows_[layer].dropped);
  return out;
}

}  // namespace polykv
