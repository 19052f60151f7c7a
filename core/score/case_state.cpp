#include "core/score/case_state.h"

#include "core/cache/attend.h"
#include "core/cache/keep.h"
#include "core/error.h"
#include "core/policies/artefact.h"

namespace polykv {
namespace {

std::string param_text(const ParamValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "on" : "off";
  return std::get<std::string>(value);
}

}  // namespace

CaseState prefill_case(const Decoder& decoder, Case source, const CancelFlag* cancel) {
  CaseState state;
  state.source = std::move(source);
  const Case& c = state.source;
  if (c.context.empty()) fail_input("", "context", "is empty, expected at least one token");
  if (c.question.empty()) fail_input("", "question", "is empty, expected at least one token");
  if (c.answer.empty()) fail_input("", "answer", "is empty, expected at least one token");
  std::vector<int> ids = c.context;
  ids.insert(ids.end(), c.question.begin(), c.question.end());
  ids.insert(ids.end(), c.answer.begin(), c.answer.end() - 1);
  state.full = prefill(decoder, ids, cancel);

  const int n = state.full.tokens, first_answer = state.context() + state.question() - 1;
  const at::Tensor rows = state.full.out.narrow(0, first_answer, state.answer());
  state.full_log_p = at::log_softmax(decoder.logits(rows), -1);
  const at::Tensor best = state.full_log_p.argmax(-1);
  for (int i = 0; i < state.answer(); ++i) {
    state.full_answer.push_back(static_cast<int>(best[i].item<std::int64_t>()));
    state.full_nll -= state.full_log_p[i][c.answer[i]].item<float>() / double(state.answer());
  }

  const ModelShape& s = decoder.config().shape;
  const int first = state.context();
  for (int l = 0; l < s.layers; ++l) {
    stop_if(cancel);
    const LayerState& layer = state.full.layers[l];
    const int window = decoder.config().windows[l];
    const at::Tensor sums =
        window == 0
            ? attention_sums(decoder, layer, l, first, n)
            : attention_rows(stored_queries(decoder, layer, l, first, n), layer.k, window).sum(1);
    const at::Tensor mean =
        (sums.view({s.kv_heads, s.query_heads / s.kv_heads, n}).mean(1) / double(n - first))
            .contiguous();
    state.mass.push_back(std::make_shared<std::vector<float>>(
        mean.data_ptr<float>(), mean.data_ptr<float>() + mean.numel()));
  }
  state.scores.resize(s.layers);
  state.memory.resize(s.layers);
  state.memo.resize(s.layers);
  state.signal_memo.resize(s.layers);
  return state;
}

const PromptMemory& case_memory(const Model& model, CaseState& state, int layer,
                                QueryVisibility query, const QueryMemory& asked) {
  const std::string key = std::string(to_string(query)) + (asked.totals ? " totals " : " ") +
                          std::to_string(asked.window);
  const auto found = state.memory[layer].find(key);
  if (found != state.memory[layer].end()) return found->second;
  return state.memory[layer][key] =
             prompt_memory(model, state.full.layers[layer], layer, state.cut_tokens(query), asked);
}

std::string score_key(const LayerChoice& choice, QueryVisibility query, std::uint64_t seed) {
  const Policy* policy = find_policy(choice.policy);
  if (!policy) fail_input("plan", "policy", "'" + choice.policy + "' is unknown");
  if (!policy->score) return "";
  std::string key = choice.policy + " " + to_string(query) + " " + std::to_string(seed);
  for (const auto& [name, value] : choice.params) key += " " + name + "=" + param_text(value);
  if (policy->needs & kNeedsFile) {  // another version of the file gives other scores
    key += " " + file_stamp(text_param(choice.params, policy->params, "file"));
  }
  if (policy->scores_follow_budget) key += " b" + std::to_string(choice.budget.value_or(-1));
  return key;
}

RepeatSource case_repeat(const Model& model, const CaseState& state, int layer, int tokens) {
  return [&model, &state, layer, tokens](int chunk) {
    return state.repeats.attention(model.decoder(), state.full, layer, tokens, chunk);
  };
}

std::shared_ptr<const LayerScores> case_scores(const Model& model, CaseState& state, int layer,
                                               const LayerChoice& choice, QueryVisibility query,
                                               std::uint64_t seed) {
  const std::string key = score_key(choice, query, seed);
  if (key.empty()) return nullptr;
  std::shared_ptr<const LayerScores>& slot = state.scores[layer][key];
  if (!slot) {
    const int tokens = state.cut_tokens(query);
    CutContext context = cut_context(model, layer, tokens, choice, seed);
    context.memo = &state.memo[layer];
    const PromptView view(model.decoder(), state.full.layers[layer], context,
                          case_repeat(model, state, layer, tokens));
    slot = std::make_shared<LayerScores>(
        policy_scores(*find_policy(choice.policy), view, choice.params));
  }
  return slot;
}

}  // namespace polykv
