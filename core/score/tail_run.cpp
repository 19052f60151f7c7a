#include "core/score/tail_run.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

#include "core/cache/decode_cut.h"

namespace polykv {

namespace {

// Multiply-adds of a layer below which waking a second thread costs more than it brings (two cores,
// measured by `bench live`: 18 ms instead of 31 ms for 16 cases).
constexpr double kSerialWork = 1e8;

// One thread for small work, as long as it lives.
class ThreadLimit {
 public:
  explicit ThreadLimit(double work) : before_(at::get_num_threads()) {
    if (work < kSerialWork) at::set_num_threads(1);
  }
  ~ThreadLimit() { at::set_num_threads(before_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

// Dynamic RoPE turns by the length of the sequence, so every case has angles of its own.
RopeAngles tail_angles(const Decoder& decoder, const std::vector<CaseState>& cases,
                       const std::vector<at::Tensor>& positions) {
  std::vector<at::Tensor> cos, sin;
  for (std::size_t b = 0; b < cases.size(); ++b) {
    const RopeAngles one = decoder.angles(positions[b], cases[b].full.tokens);
    cos.push_back(one.cos);
    sin.push_back(one.sin);
  }
  return {at::cat(cos), at::cat(sin)};
}

}  // namespace

TailRun::TailRun(const Model& model, std::vector<CaseState>& cases, QueryVisibility query)
    : model_(model), decoder_(model.decoder()), cases_(cases), query_(query) {
  const int layers = model.shape().layers;
  std::vector<at::Tensor> positions, first_inputs;
  int rows = 0;
  for (const CaseState& c : cases) {
    const int cut = c.cut_tokens(query), tail = c.full.tokens - cut;
    offset_.push_back(rows);
    length_.push_back(tail);
    rows += tail;
    positions.push_back(at::arange(cut, c.full.tokens, at::kLong));
    first_inputs.push_back(c.full.layers[0].x.narrow(0, cut, tail));
  }
  inputs_.resize(layers + 1);
  slots_.assign(layers, std::vector<Slot>(cases.size()));
  if (cases.empty()) return;
  angles_ = tail_angles(decoder_, cases, positions);
  inputs_[0] = at::cat(first_inputs);
}

// Cases side by side; one alone gets all threads.
template <class Work>
void TailRun::over_cases(const Work& work) const {
  if (cases_.size() == 1) return work(0);
  at::parallel_for(0, static_cast<std::int64_t>(cases_.size()), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     const at::InferenceMode guard;  // thread-local
                     for (std::int64_t b = begin; b < end; ++b) work(static_cast<std::size_t>(b));
                   });
}

bool TailRun::select_layer(int layer, const LayerChoice& choice, std::uint64_t seed) {
  std::atomic<bool> changed = false;
  over_cases([&](std::size_t b) {
    if (select_case(layer, b, choice, seed)) changed = true;
  });
  return changed;
}

// True when other rows are in the slot than before.
bool TailRun::select_case(int layer, std::size_t b, const LayerChoice& choice, std::uint64_t seed) {
  const int heads = model_.shape().kv_heads;
  const Policy* policy = find_policy(choice.policy);
  const std::string key =
      "k " + score_key(choice, query_, seed) + " b" + std::to_string(choice.budget.value_or(-1));
  Slot& slot = slots_[layer][b];
  if (slot.key == key) return false;
  CaseState& c = cases_[b];
  const int cut = c.cut_tokens(query_);
  Kept kept;
  std::shared_ptr<const LayerScores> scores;
  if (const int window = model_.config().windows[layer]; window > 0) {
    kept = window_rows(window, cut, heads);
  } else if ((scores = case_scores(model_, c, layer, choice, query_, seed))) {
    kept = keep_rows(*policy, choice, *scores, heads);
  }
  // Merged rows differ between policies that keep the same tokens.
  const bool same = !slot.key.empty() && kept == slot.kept && !slot.merged && !policy->merge;
  slot.key = key;
  if (same) return false;
  slot.kept = std::move(kept);
  slot.merged = policy->merge != nullptr;
  slot.rows = empty_rows(model_, layer, nullptr);
  fill_cut(model_, slot.rows, c.full.layers[layer], layer, cut, choice, seed, slot.kept,
           scores.get(), length_[b]);
  return true;
}

void TailRun::update(const Plan& plan, const CancelFlag* cancel) {
  const int layers = decoder_.config().shape.layers;
  for (int l = 0; l < layers; ++l) {
    stop_if(cancel);
    if (select_layer(l, plan.of(Phase::prefill)[l], plan.seed) && l <= valid_) {
      valid_ = l;
      logits_valid_ = false;
    }
  }
  first_layer_run_ = valid_;
  const auto& decode = plan.of(Phase::decode);
  if (std::any_of(decode.begin(), decode.end(),
                  [](const LayerChoice& choice) { return choice.budget.has_value(); })) {
    run_decode(plan, cancel);
    return;
  }
  const double layer_parameters = double(decoder_.parameters()) / layers;
  const ThreadLimit limit(layer_parameters * double(inputs_[0].size(0)));
  for (int l = valid_; l < layers; ++l) {
    stop_if(cancel);
    run_layer(l);
    valid_ = l + 1;
    logits_valid_ = false;
  }
  if (!logits_valid_) read_logits();
}

void TailRun::run_layer(int layer) {
  const at::Tensor& x = inputs_[layer];
  if (x.size(0) == 0) {  // aware cut and one-token answers: nothing comes after the cut
    inputs_[layer + 1] = x;
    return;
  }
  const ModelShape& s = decoder_.config().shape;
  const Projected p = decoder_.project(layer, x, angles_);
  at::Tensor mixed =
      at::empty({x.size(0), static_cast<std::int64_t>(s.query_heads) * s.head_dim}, at::kFloat);
  const auto one_case = [&](std::size_t b) {
    const std::int64_t first = offset_[b], t = length_[b];
    if (t == 0) return;
    LayerRows& rows = slots_[layer][b].rows;
    rows.rewind();
    rows.append(p.k.narrow(1, first, t), p.v.narrow(1, first, t), cases_[b].cut_tokens(query_));
    mixed.narrow(0, first, t).copy_(rows.attend(p.q.narrow(1, first, t)));
  };
  over_cases(one_case);
  inputs_[layer + 1] = decoder_.finish(layer, x, mixed);
}

void TailRun::read_logits() {
  const at::Tensor& out = inputs_.back();
  std::vector<at::Tensor> rows;
  for (std::size_t b = 0; b < cases_.size(); ++b) {
    const CaseState& c = cases_[b];
    if (query_ == QueryVisibility::agnostic) {
      rows.push_back(out.narrow(0, offset_[b] + c.question() - 1, c.answer()));
      continue;
    }
    // The last question token is before the cut: its output is the full cache's.
    rows.push_back(c.full.out.narrow(0, c.context() + c.question() - 1, 1));
    rows.push_back(out.narrow(0, offset_[b], c.answer() - 1));
  }
  logits_ = decoder_.logits(at::cat(rows));
  logits_valid_ = true;
}

// Question and answer of every case, one after another: which rows are there depends on every
// token fed before.
void TailRun::run_decode(const Plan& plan, const CancelFlag* cancel) {
  std::vector<at::Tensor> rows(cases_.size());
  over_cases([&](std::size_t b) { rows[b] = decode_case(plan, b, cancel); });
  logits_ = decoder_.logits(at::cat(rows));
  logits_valid_ = false;  // they are not what the batch gives for the same prefill choices
}

// The rows before each answer token, (answer, hidden).
at::Tensor TailRun::decode_case(const Plan& plan, std::size_t b, const CancelFlag* cancel) const {
  CaseState& c = cases_[b];
  const int cut = c.cut_tokens(query_);
  KvCache cache(model_, plan, length_[b]);
  for (int l = 0; l < plan.layers(); ++l) {
    const QueryMemory asked = query_memory(plan.of(Phase::decode)[l]);
    const auto scores = case_scores(model_, c, l, plan.of(Phase::prefill)[l], query_, plan.seed);
    cache.take(c.full.layers[l], cut, {slots_[l][b].kept, scores ? *scores : LayerScores{}},
               case_memory(model_, c, l, query_, asked));
  }
  std::vector<at::Tensor> rows;
  if (query_ == QueryVisibility::agnostic) {
    const at::Tensor asked = cache.run(c.source.question, cancel);
    rows.push_back(asked.narrow(0, asked.size(0) - 1, 1));
  } else {  // the last question token is before the cut
    rows.push_back(c.full.out.narrow(0, cut - 1, 1));
  }
  for (int i = 0; i + 1 < c.answer(); ++i) rows.push_back(cache.step(c.source.answer[i], cancel));
  return at::cat(rows);
}

std::int64_t TailRun::allocated_bytes() const {
  std::int64_t bytes = 0;
  for (const std::vector<Slot>& layer : slots_) {
    for (const Slot& slot : layer) bytes += slot.rows.filled_bytes();
  }
  return bytes;
}

}  // namespace polykv
