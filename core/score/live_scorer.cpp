#include "core/score/live_scorer.h"

#include <chrono>
#include <cmath>
#include <optional>

#include "core/cache/attend.h"
#include "core/cache/engine.h"
#include "core/cache/kv_cache.h"
#include "core/cache/layer_view.h"
#include "core/error.h"
#include "core/policies/policy.h"
#include "core/score/tail_run.h"

namespace polykv {
namespace {

// What the budget says; a policy that decides by itself how many tokens stay says it by its cut.
std::int64_t planned_bytes(const Model& model, const LayerChoice& choice, const Kept& kept,
                           int tokens) {
  const Policy* policy = find_policy(choice.policy);
  if (!policy->split) return model.kv_bytes(std::min(choice.budget.value_or(tokens), tokens));
  const auto rows = kept.everything() ? static_cast<std::int64_t>(tokens) * model.shape().kv_heads
                                      : static_cast<std::int64_t>(kept.positions.size());
  return model.kv_bytes(1) / model.shape().kv_heads * rows;
}

// kept mass of one layer and case: one minus the attention on what was evicted, mean over kv heads.
double kept_mass(const CaseState& state, int layer, const Kept& kept, int cut, int heads) {
  if (kept.everything()) return 1;
  const std::vector<float>& mass = *state.mass[layer];
  const std::ptrdiff_t n = state.full.tokens;
  double evicted = 0;
  for (int head = 0; head < heads; ++head) {
    const float* row = mass.data() + head * n;
    double all = 0, stays = 0;
    for (int i = 0; i < cut; ++i) all += row[i];
    for (const std::int32_t position : kept.head(head)) stays += row[position];
    evicted += all - stays;
  }
  return 1 - evicted / heads;
}

}  // namespace

struct LiveScorer::State {
  std::shared_ptr<const Model> model;
  std::vector<CaseState> cases;
  std::vector<Case> sources;
  std::optional<TailRun> run;
  std::optional<Plan> plan;  // of the last completed score
  ScoreRow full;
  std::vector<CaseResult> results;

  const Decoder& decoder() const { return model->decoder(); }
  ScoreRow measure(const TailRun& tail, const Plan& plan, std::vector<CaseResult>& out) const;
  int first_row(int case_index) const {  // of a case in the logits
    int row = 0;
    for (int b = 0; b < case_index; ++b) row += cases[b].answer();
    return row;
  }
};

// All scores of product.md section 3 from the logits of a completed run.
ScoreRow LiveScorer::State::measure(const TailRun& tail, const Plan& plan,
                                    std::vector<CaseResult>& out) const {
  ScoreRow row;
  row.plan = plan.name;
  const ModelShape& s = model->shape();
  const at::Tensor log_p = at::log_softmax(tail.logits(), -1);
  const at::Tensor best = log_p.argmax(-1).contiguous();
  std::vector<at::Tensor> full_rows;
  std::vector<std::int64_t> gold_ids;
  for (const CaseState& c : cases) {
    full_rows.push_back(c.full_log_p);
    gold_ids.insert(gold_ids.end(), c.source.answer.begin(), c.source.answer.end());
  }
  const at::Tensor full_log_p = at::cat(full_rows);
  const at::Tensor kl = (full_log_p.exp() * (full_log_p - log_p)).sum(-1).contiguous();
  const at::Tensor gold = at::tensor(gold_ids).unsqueeze(1);
  const at::Tensor nll = log_p.gather(1, gold).squeeze(1).neg().contiguous();

  std::vector<double> case_nll, case_kl, case_mass;
  row.kept_mass_by_layer.assign(s.layers, 0);
  int right = 0, agree = 0, positions = 0, at_row = 0;
  out.clear();
  for (std::size_t b = 0; b < cases.size(); ++b) {
    const CaseState& c = cases[b];
    CaseResult result;
    result.full_answer = c.full_answer;
    result.full_correct = c.full_answer == c.source.answer;
    result.full_nll = c.full_nll;
    double kl_sum = 0;
    for (int i = 0; i < c.answer(); ++i, ++at_row) {
      // Greedy decoding and teacher forcing agree up to the first token that is not the gold one.
      const int token = static_cast<int>(best.data_ptr<std::int64_t>()[at_row]);
      result.answer.push_back(token);
      result.answer_nll += nll.data_ptr<float>()[at_row] / double(c.answer());
      kl_sum += kl.data_ptr<float>()[at_row];
      agree += token == c.full_answer[i];
      ++positions;
    }
    result.correct = result.answer == c.source.answer;
    right += result.correct;
    case_nll.push_back(result.answer_nll);
    case_kl.push_back(kl_sum / c.answer());
    const int cut = c.cut_tokens(tail.query());
    double mass = 0;
    for (int l = 0; l < s.layers; ++l) {
      const double kept = kept_mass(c, l, tail.kept(l, static_cast<int>(b)), cut, s.kv_heads);
      row.kept_mass_by_layer[l] += kept / double(cases.size());
      mass += kept / s.layers;
      const int window = model->config().windows[l];
      row.kv_bytes_planned += window > 0 ? model->kv_bytes(std::min(window, cut))
                                         : planned_bytes(*model, plan.of(Phase::prefill)[l],
                                                         tail.kept(l, static_cast<int>(b)), cut);
    }
    case_mass.push_back(mass);
    out.push_back(std::move(result));
  }
  const auto n = static_cast<std::int64_t>(cases.size());
  row.kv_bytes = tail.allocated_bytes() / n;
  row.kv_bytes_planned /= n;
  row.recall = wilson(right, static_cast<int>(n));
  row.answer_nll = mean_with_t(case_nll);
  row.kl_to_full = mean_with_t(case_kl);
  row.top1_agreement = wilson(agree, positions);
  row.kept_mass = mean_with_t(case_mass);
  return row;
}

LiveScorer::LiveScorer(std::shared_ptr<const Model> model) : state_(std::make_unique<State>()) {
  state_->model = std::move(model);
}

LiveScorer::~LiveScorer() = default;

void LiveScorer::set_cases(std::vector<Case> cases, const Progress& progress,
                           const CancelFlag* cancel) {
  const at::InferenceMode guard;
  State& s = *state_;
  if (cases.empty()) fail_input("", "cases", "the case set is empty, expected at least one case");
  std::vector<CaseState> made;
  made.reserve(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (progress) {
      progress(double(i) / double(cases.size()),
               "prefill case " + std::to_string(i + 1) + " of " + std::to_string(cases.size()));
    }
    made.push_back(prefill_case(s.decoder(), cases[i], cancel));
  }
  s.run.reset();
  s.plan.reset();
  s.results.clear();
  s.cases = std::move(made);
  s.sources = std::move(cases);
  // The ceiling through the same code: a run in which every layer keeps everything.
  const Plan full =
      uniform_plan("full", std::nullopt, s.model->shape().layers, QueryVisibility::agnostic);
  TailRun run(*s.model, s.cases, full.query);
  run.update(full, cancel);
  std::vector<CaseResult> ignored;
  s.full = s.measure(run, full, ignored);
}

void LiveScorer::use_heads(std::shared_ptr<const Model> model) {
  State& s = *state_;
  s.run.reset();  // it refers to the old model
  s.plan.reset();
  s.results.clear();
  s.model = std::move(model);
  for (CaseState& c : s.cases) {
    for (auto& of_layer : c.scores) of_layer.clear();
  }
}

const std::vector<Case>& LiveScorer::cases() const { return state_->sources; }

ScoreRow LiveScorer::score(const Plan& plan, const CancelFlag* cancel) {
  const at::InferenceMode guard;
  const auto start = std::chrono::steady_clock::now();
  State& s = *state_;
  if (s.cases.empty()) fail_input("", "cases", "no case set is loaded");
  check_plan_fits(plan, s.model->shape());
  if (!s.run || s.run->query() != plan.query) s.run.emplace(*s.model, s.cases, plan.query);
  s.run->update(plan, cancel);
  ScoreRow row = s.measure(*s.run, plan, s.results);
  s.plan = plan;
  row.rescore_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return row;
}

ScoreRow LiveScorer::score_aside(const Plan& plan, const CancelFlag* cancel) {
  const at::InferenceMode guard;
  const auto start = std::chrono::steady_clock::now();
  State& s = *state_;
  check_plan_fits(plan, s.model->shape());
  TailRun run(*s.model, s.cases, plan.query);
  run.update(plan, cancel);
  std::vector<CaseResult> ignored;
  ScoreRow row = s.measure(run, plan, ignored);
  row.rescore_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return row;
}

ScoreRow LiveScorer::full_row() const { return state_->full; }
std::vector<CaseResult> LiveScorer::results() const { return state_->results; }
int LiveScorer::first_layer_run() const { return state_->run ? state_->run->first_layer_run() : 0; }

std::vector<float> LiveScorer::answer_logits(int case_index) const {
  const at::InferenceMode guard;
  const State& s = *state_;
  const at::Tensor rows =
      s.run->logits().narrow(0, s.first_row(case_index), s.cases[case_index].answer()).contiguous();
  return {rows.data_ptr<float>(), rows.data_ptr<float>() + rows.numel()};
}

std::vector<float> LiveScorer::answer_logits_from_scratch(int case_index, const Plan& plan) const {
  const at::InferenceMode guard;
  const State& s = *state_;
  const Case& c = s.sources[case_index];
  std::vector<int> before = c.context, after = c.question;
  const bool aware = plan.query == QueryVisibility::aware;
  if (aware) {
    before.insert(before.end(), after.begin(), after.end());
    after.clear();
  }
  KvCache cache(*s.model, plan, static_cast<int>(after.size() + c.answer.size()));
  const at::Tensor read = cache.prefill(before);
  std::vector<at::Tensor> out = {read.narrow(0, read.size(0) - 1, 1)};
  if (!after.empty()) out.push_back(cache.run(after));
  for (std::size_t i = 0; i + 1 < c.answer.size(); ++i) out.push_back(cache.step(c.answer[i]));
  const at::Tensor all = at::cat(out);
  const auto answers = static_cast<std::int64_t>(c.answer.size());
  const at::Tensor logits =
      s.decoder().logits(all.narrow(0, all.size(0) - answers, answers)).contiguous();
  return {logits.data_ptr<float>(), logits.data_ptr<float>() + logits.numel()};
}

std::vector<int> LiveScorer::greedy_answer(int case_index) const {
  const State& s = *state_;
  const CaseResult& result = s.results.at(case_index);
  if (result.correct) return result.answer;
  const Case& c = s.sources[case_index];
  GenerateRequest request{.context = c.context,
                          .question = c.question,
                          .plan = *s.plan,
                          .max_new = static_cast<int>(c.answer.size()),
                          .stop_at_eos = false};
  return generate(*s.model, request).ids;
}

std::vector<KeptLayer> LiveScorer::kept(int case_index) const {
  const State& s = *state_;
  const CaseState& c = s.cases[case_index];
  const int heads = s.model->shape().kv_heads, cut = c.cut_tokens(s.run->query());
  std::vector<KeptLayer> layers;
  for (int l = 0; l < s.model->shape().layers; ++l) {
    const Kept& kept = s.run->kept(l, case_index);
    KeptLayer layer;
    layer.cut_tokens = cut;
    layer.kept_mass = kept_mass(c, l, kept, cut, heads);
    for (int head = 0; head < heads && !kept.everything(); ++head) {
      layer.positions.emplace_back(kept.head(head).begin(), kept.head(head).end());
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

HeatTile LiveScorer::heat(int case_index, int layer, int head) const {
  const at::InferenceMode guard;
  const State& s = *state_;
  const CaseState& c = s.cases[case_index];
  const int group = s.model->shape().query_heads / s.model->shape().kv_heads;
  HeatTile tile;
  tile.case_index = case_index;
  tile.layer = layer;
  tile.head = head;
  tile.first_row = c.context();
  tile.columns = c.full.tokens;
  tile.rows = tile.columns - tile.first_row;
  const at::Tensor q =
      stored_queries(s.decoder(), c.full.layers[layer], layer, tile.first_row, tile.columns)
          .narrow(0, head, 1);
  const at::Tensor rows = attention_rows(q, c.full.layers[layer].k.narrow(0, head / group, 1),
                                         s.model->config().windows[layer])
                              .contiguous();
  tile.values.assign(rows.data_ptr<float>(), rows.data_ptr<float>() + rows.numel());
  return tile;
}

std::shared_ptr<const ProxyData> LiveScorer::proxy_data(const Plan& plan) {
  const at::InferenceMode guard;
  State& s = *state_;
  auto data = std::make_shared<ProxyData>();
  data->choices = plan.of(Phase::prefill);
  data->query = plan.query;
  data->kv_heads = s.model->shape().kv_heads;
  for (CaseState& c : s.cases) {
    ProxyCase one;
    one.tokens = c.cut_tokens(plan.query);
    one.mass = c.mass;
    for (int l = 0; l < plan.layers(); ++l) {
      one.layers.push_back(
          case_scores(*s.model, c, l, plan.of(Phase::prefill)[l], plan.query, plan.seed));
    }
    data->cases.push_back(std::move(one));
  }
  return data;
}

}  // namespace polykv
