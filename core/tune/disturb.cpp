#include "core/tune/disturb.h"

#include <algorithm>

#include "core/cache/attend.h"
#include "core/cache/decode_cut.h"
#include "core/cache/keep.h"
#include "core/error.h"

namespace polykv {
namespace {

// The tokens of a case behind the cut, and what the full cache gives them in one layer.
struct Tail {
  int cut = 0, tokens = 0, fed = 0;  // fed: the answer tokens that are fed, the last of the tail
  at::Tensor q, k, v;                // of the tail
  at::Tensor attention;              // (tail, H * d) with the full cache
  at::Tensor mass;                   // (kv_heads, tail, all tokens) attention, mean of the group
  int asked() const { return tokens - fed; }  // question tokens behind an agnostic cut
  // What the decode phase changes: the answer tokens that are fed.
  Tail of_answer() const {
    Tail answer = *this;
    answer.cut += asked();
    answer.tokens = fed;
    answer.attention = attention.narrow(0, asked(), fed);
    return answer;
  }
};

Tail tail_of(const Model& model, const CaseState& state, int layer, QueryVisibility query) {
  const ModelShape& s = model.shape();
  const LayerState& full = state.full.layers[layer];
  const int window = model.config().windows[layer];
  Tail tail;
  tail.cut = state.cut_tokens(query);
  tail.tokens = state.full.tokens - tail.cut;
  tail.fed = state.answer() - 1;
  if (tail.fed == 0) {
    fail_input("", "cases", "an answer of one token leaves no step that reads the cut cache");
  }
  tail.q = stored_queries(model.decoder(), full, layer, tail.cut, state.full.tokens);
  tail.k = full.k.narrow(1, tail.cut, tail.tokens);
  tail.v = full.v.narrow(1, tail.cut, tail.tokens);
  const at::Tensor rows = attention_rows(tail.q, full.k, window);
  tail.attention = mixed_values(rows, full.v);
  tail.mass = rows.view({s.kv_heads, s.query_heads / s.kv_heads, tail.tokens, state.full.tokens})
                  .mean(1)
                  .contiguous();
  return tail;
}

// Full-cache attention of one tail token that falls on what the rows hold, mean over the kv heads.
double mass_on(const LayerRows& rows, const Tail& tail, int token) {
  double sum = 0;
  const std::int64_t heads = tail.mass.size(0), n = tail.mass.size(2);
  for (int h = 0; h < heads; ++h) {
    const float* row = tail.mass.data_ptr<float>() + (h * tail.mass.size(1) + token) * n;
    for (const std::int32_t position : rows.positions(h)) sum += row[position];
  }
  return sum / double(heads);
}

struct Run {
  at::Tensor attention;  // (tail, H * d)
  double kept_mass = 1;  // mean over the tokens behind the cut
};

Run run_prefill(const Model& model, CaseState& state, int layer, const Tail& tail,
                const LayerChoice& choice, QueryVisibility query, std::uint64_t seed) {
  const auto scores = case_scores(model, state, layer, choice, query, seed);
  Kept kept;
  if (scores) {
    kept = keep_rows(*find_policy(choice.policy), choice, *scores, model.shape().kv_heads);
  }
  LayerRows rows = empty_rows(model, layer, nullptr);
  fill_cut(model, rows, state.full.layers[layer], layer, tail.cut, choice, seed, kept, scores.get(),
           tail.tokens);
  rows.append(tail.k, tail.v, tail.cut);
  Run run;
  run.attention = rows.attend(tail.q);
  double mass = 0;
  for (int t = 0; t < tail.tokens; ++t) mass += mass_on(rows, tail, t);
  run.kept_mass = mass / tail.tokens;
  return run;
}

// Question tokens at once, then the answer token by token with a cut after each.
Run run_decode(const Model& model, CaseState& state, int layer, const Tail& tail,
               const LayerChoice& choice, QueryVisibility query, std::uint64_t seed) {
  LayerRows rows = empty_rows(model, layer, &choice);
  rows.fill(state.full.layers[layer], tail.cut, {}, tail.tokens);
  if (!rows.memory().empty()) {
    const PromptMemory& memory = case_memory(model, state, layer, query, rows.memory());
    rows.fill_memory(memory.totals, memory.recent);
  }
  std::vector<at::Tensor> parts;
  const auto feed = [&](int first, int count) {
    rows.append(tail.k.narrow(1, first, count), tail.v.narrow(1, first, count), tail.cut + first);
  };
  if (tail.asked() > 0) {
    feed(0, tail.asked());
    parts.push_back(rows.attend(tail.q.narrow(1, 0, tail.asked())));
  }
  double mass = 0;
  for (int t = tail.asked(); t < tail.tokens; ++t) {
    feed(t, 1);
    mass += mass_on(rows, tail, t);
    parts.push_back(rows.attend(tail.q.narrow(1, t, 1)));
    cut_while_decoding(model.decoder(), rows, choice, cut_context(model, layer, 0, choice, seed));
  }
  return {at::cat(parts), mass / tail.fed};
}

double mean_of(const at::Tensor& numbers) { return numbers.mean(at::kDouble).item<double>(); }

// The variants' layer outputs through the layers behind it: (variants * tail, hidden).
at::Tensor run_later_layers(const Model& model, const CaseState& state, int first, int variants,
                            const Tail& tail, at::Tensor x, const CancelFlag* cancel) {
  const Decoder& decoder = model.decoder();
  const RopeAngles one =
      decoder.angles(at::arange(tail.cut, state.full.tokens, at::kLong), state.full.tokens);
  const RopeAngles angles = {one.cos.repeat({variants, 1, 1}), one.sin.repeat({variants, 1, 1})};
  for (int l = first; l < model.shape().layers; ++l) {
    stop_if(cancel);
    const Projected p = decoder.project(l, x, angles);
    LayerRows rows = empty_rows(model, l, nullptr);
    rows.fill(state.full.layers[l], tail.cut, {}, tail.tokens);
    std::vector<at::Tensor> mixed;
    for (int v = 0; v < variants; ++v) {
      const std::int64_t at = std::int64_t{v} * tail.tokens;
      rows.rewind();
      rows.append(p.k.narrow(1, at, tail.tokens), p.v.narrow(1, at, tail.tokens), tail.cut);
      mixed.push_back(rows.attend(p.q.narrow(1, at, tail.tokens)));
    }
    x = decoder.finish(l, x, at::cat(mixed));
  }
  return x;
}

// NLL and right or wrong of every variant from the last layer's outputs of the tail.
void read_answers(const Model& model, const CaseState& state, const Tail& tail,
                  const at::Tensor& out, std::vector<CellScores>& cells) {
  const auto variants = static_cast<std::int64_t>(cells.size());
  // Without a question token in the tail the first answer token is the full cache's.
  const int answers = state.answer(), first = std::max(0, tail.asked() - 1);
  const int read = tail.asked() > 0 ? answers : answers - 1;
  const at::Tensor rows = out.view({variants, tail.tokens, -1}).narrow(1, first, read);
  const at::Tensor log_p =
      at::log_softmax(model.decoder().logits(rows.reshape({variants * read, -1})), -1);
  const at::Tensor best = log_p.argmax(-1).contiguous();
  const bool full_right = state.full_answer == state.source.answer;
  for (std::int64_t v = 0; v < variants; ++v) {
    double nll = 0;
    bool right = true;
    for (int i = 0; i < answers; ++i) {
      const int gold = state.source.answer[i], row = i - (answers - read);
      if (row < 0) {
        nll -= state.full_log_p[i][gold].item<float>();
        right = right && state.full_answer[i] == gold;
        continue;
      }
      const std::int64_t at = v * read + row;
      nll -= log_p[at][gold].item<float>();
      right = right && best.data_ptr<std::int64_t>()[at] == gold;
    }
    cells[v].nll_increase = nll / answers - state.full_nll;
    cells[v].recall_change = double(right) - double(full_right);
  }
}

// attention: (variants * tail, H * d) of the disturbed layer, variant after variant.
void score_variants(const Model& model, const CaseState& state, int layer, const Tail& tail,
                    const at::Tensor& attention, std::vector<CellScores>& cells,
                    const CancelFlag* cancel) {
  const Decoder& decoder = model.decoder();
  const int variants = static_cast<int>(cells.size());
  const at::Tensor was = decoder.attention_output(layer, tail.attention);
  const at::Tensor is =
      decoder.attention_output(layer, attention).view({variants, tail.tokens, -1});
  const at::Tensor input = state.full.layers[layer].x.narrow(0, tail.cut, tail.tokens);
  at::Tensor x = decoder.finish(layer, input.repeat({variants, 1}), attention);
  const bool last = layer + 1 == model.shape().layers;
  const at::Tensor full_x =
      (last ? state.full.out : state.full.layers[layer + 1].x).narrow(0, tail.cut, tail.tokens);
  for (int v = 0; v < variants; ++v) {
    CellScores& cell = cells[v];
    cell.cosine = mean_of(at::cosine_similarity(is[v], was, 1));
    cell.eviction_error = mean_of((is[v] - was).norm(2, -1) / (was.norm(2, -1) + 1e-6));
    cell.residual_cosine = mean_of(
        at::cosine_similarity(x.narrow(0, std::int64_t{v} * tail.tokens, tail.tokens), full_x, 1));
  }
  x = run_later_layers(model, state, layer + 1, variants, tail, std::move(x), cancel);
  read_answers(model, state, tail, x, cells);
}

}  // namespace

std::vector<CellScores> disturb_layer(const Model& model, CaseState& state, int layer,
                                      QueryVisibility query, std::uint64_t seed,
                                      const std::vector<Disturbance>& disturbances,
                                      const CancelFlag* cancel) {
  std::vector<CellScores> cells(disturbances.size());
  // No plan changes a layer with a sliding window.
  if (model.config().windows[layer] > 0) return cells;
  const Tail tail = tail_of(model, state, layer, query), answer = tail.of_answer();
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const bool decode = phase == Phase::decode;
    std::vector<at::Tensor> attention;  // those that differ
    std::vector<CellScores> scores;     // of these
    std::vector<std::size_t> same_as(disturbances.size());
    for (std::size_t v = 0; v < disturbances.size(); ++v) {
      if (disturbances[v].phase != phase) continue;
      stop_if(cancel);
      Run run = (decode ? run_decode : run_prefill)(model, state, layer, tail,
                                                    disturbances[v].choice, query, seed);
      if (decode) run.attention = run.attention.narrow(0, tail.asked(), tail.fed);
      // Policies whose protected tokens fill the budget, or that score alike, give one result.
      std::size_t& same = same_as[v];
      while (same < attention.size() && !at::equal(attention[same], run.attention)) ++same;
      if (same < attention.size()) continue;
      attention.push_back(run.attention);
      scores.emplace_back().kept_mass = run.kept_mass;
    }
    if (attention.empty()) continue;
    score_variants(model, state, layer, decode ? answer : tail, at::cat(attention), scores, cancel);
    for (std::size_t v = 0; v < disturbances.size(); ++v) {
      if (disturbances[v].phase == phase) cells[v] = scores[same_as[v]];
    }
  }
  return cells;
}

}  // namespace polykv
