#include "core/cache/kv_cache.h"

#include <numeric>

#include "core/cache/decode_cut.h"
#include "core/cache/keep.h"
#include "core/cache/repeat.h"
#include "core/error.h"
#include "core/probe/head_list.h"

namespace polykv {

void check_plan_fits(const Plan& plan, const ModelShape& shape) {
  if (plan.layers() != shape.layers) {
    fail_input("plan", "layers",
               "The plan has " + std::to_string(plan.layers()) + " layers, this model has " +
                   std::to_string(shape.layers) + ". Nothing was loaded.");
  }
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const unsigned mask = phase == Phase::prefill ? kPrefill : kDecode;
    for (std::size_t l = 0; l < plan.of(phase).size(); ++l) {
      const std::string where = "layer " + std::to_string(l) + " " + to_string(phase);
      const Policy* policy = find_policy(plan.of(phase)[l].policy);
      if (!policy) fail_input("plan", where, "'" + plan.of(phase)[l].policy + "' is unknown");
      if (!(policy->phases & mask)) {
        fail_input("plan", where, std::string(policy->id) + " cannot be used in this phase");
      }
    }
  }
}

CutContext cut_context(const Model& model, int layer, int tokens, const LayerChoice& choice,
                       std::uint64_t seed) {
  CutContext context;
  context.layer = layer;
  context.tokens = tokens;
  context.budget = choice.budget.value_or(tokens);
  context.seed = seed;
  if (const auto& heads = model.heads()) {
    context.ranked_heads = heads->ranked(layer);
    for (const HeadScore& score : heads->scores(layer)) {
      context.head_scores.push_back(static_cast<float>(score.mean));
    }
  }
  return context;
}

CutLayer cut_layer(const Model& model, const LayerState& state, int layer, int tokens,
                   const LayerChoice& choice, std::uint64_t seed, const RepeatSource& repeat) {
  CutLayer cut;
  const int heads = model.shape().kv_heads;
  if (const int window = model.config().windows[layer]; window > 0) {
    cut.kept = window_rows(window, tokens, heads);
    return cut;
  }
  const Policy* policy = find_policy(choice.policy);
  if (!policy->score) return cut;
  const PromptView view(model.decoder(), state, cut_context(model, layer, tokens, choice, seed),
                        repeat);
  cut.scores = policy_scores(*policy, view, choice.params);
  cut.kept = keep_rows(*policy, choice, cut.scores, heads);
  return cut;
}

LayerRows empty_rows(const Model& model, int layer, const LayerChoice* decode) {
  const int window = model.config().windows[layer];
  const QueryMemory memory = window > 0 || !decode ? QueryMemory{} : query_memory(*decode);
  return LayerRows(model.shape(), window, memory);
}

void fill_cut(const Model& model, LayerRows& rows, const LayerState& state, int layer, int tokens,
              const LayerChoice& choice, std::uint64_t seed, const Kept& kept,
              const LayerScores* scores, int room) {
  rows.fill(state, tokens, kept, room);
  const Policy* policy = find_policy(choice.policy);
  if (kept.everything() || !scores || !policy || !policy->merge ||
      model.config().windows[layer] > 0)
    return;
  const PromptView view(model.decoder(), state, cut_context(model, layer, tokens, choice, seed));
  rows.merge(*policy, view, *scores, kept, choice.params);
}

PromptMemory prompt_memory(const Model& model, const LayerState& state, int layer, int tokens,
                           const QueryMemory& asked) {
  PromptMemory memory;
  if (asked.empty()) return memory;
  const PromptView view(model.decoder(), state, cut_context(model, layer, tokens, {}, 0));
  if (asked.totals) memory.totals = view.attention_totals();
  if (asked.window > 0) memory.recent = view.attention_rows(asked.window);
  return memory;
}

KvCache::KvCache(const Model& model, const Plan& plan, int room)
    : model_(model), plan_(plan), room_(room) {
  if (plan.layers() > 0) check_plan_fits(plan, model.shape());
}

at::Tensor KvCache::prefill(std::span<const int> ids, const CancelFlag* cancel) {
  const int tokens = static_cast<int>(ids.size());
  const LayerChoice keeps_all;
  RepeatPasses repeats(plan_.of(Phase::prefill), tokens);
  return run_prompt(
      model_.decoder(), ids,
      [&](int layer, LayerState&& state) {
        const bool full = plan_.layers() == 0;
        const LayerChoice& choice = full ? keeps_all : plan_.of(Phase::prefill)[layer];
        const QueryMemory asked =
            full ? QueryMemory{} : query_memory(plan_.of(Phase::decode)[layer]);
        repeats.advance(model_.decoder(), layer, state, cancel);
        take(state, tokens,
             cut_layer(model_, state, layer, tokens, choice, plan_.seed, repeats.source()),
             prompt_memory(model_, state, layer, tokens, asked));
      },
      cancel, /*chunk=*/0, /*wanted=*/1);
}

void KvCache::take(const LayerState& state, int tokens, CutLayer cut, const PromptMemory& memory) {
  const int layer = static_cast<int>(rows_.size());
  const bool full = plan_.layers() == 0;
  const LayerChoice keeps_all;
  LayerRows rows = empty_rows(model_, layer, full ? nullptr : &plan_.of(Phase::decode)[layer]);
  fill_cut(model_, rows, state, layer, tokens, full ? keeps_all : plan_.of(Phase::prefill)[layer],
           plan_.seed, cut.kept, &cut.scores, room_);
  if (!rows.memory().empty()) rows.fill_memory(memory.totals, memory.recent);
  rows_.push_back(std::move(rows));
  cuts_.push_back(std::move(cut));
  next_position_ = tokens;
}

at::Tensor KvCache::run(std::span<const int> ids, const CancelFlag* cancel) {
  const Decoder& decoder = model_.decoder();
  const std::int64_t t = static_cast<std::int64_t>(ids.size());
  const RopeAngles angles =
      decoder.angles(at::arange(next_position_, next_position_ + t, at::kLong),
                     static_cast<int>(next_position_ + t));
  at::Tensor x = decoder.embed(ids);
  for (std::size_t l = 0; l < rows_.size(); ++l) {
    stop_if(cancel);
    const Projected p = decoder.project(static_cast<int>(l), x, angles);
    rows_[l].append(p.k, p.v, next_position_);
    x = decoder.finish(static_cast<int>(l), x, rows_[l].attend(p.q));
  }
  next_position_ += static_cast<int>(t);
  return x;
}

at::Tensor KvCache::step(int id, const CancelFlag* cancel) {
  at::Tensor x = run({&id, 1}, cancel);
  if (plan_.layers() == 0) return x;
  for (std::size_t l = 0; l < rows_.size(); ++l) {
    const int layer = static_cast<int>(l);
    if (model_.config().windows[l] > 0) continue;  // such a layer keeps its window
    const LayerChoice& choice = plan_.of(Phase::decode)[l];
    cut_while_decoding(model_.decoder(), rows_[l], choice,
                       cut_context(model_, layer, 0, choice, plan_.seed));
  }
  return x;
}

std::int64_t KvCache::cut_bytes() const {
  return std::accumulate(
      rows_.begin(), rows_.end(), std::int64_t{0},
      [](std::int64_t sum, const LayerRows& rows) { return sum + rows.filled_bytes(); });
}

}  // namespace polykv
