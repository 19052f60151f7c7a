#pragma once
// One case of a case set after its full-cache run: everything a rescore needs. Knows torch.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/cache/kv_cache.h"
#include "core/cache/repeat.h"
#include "core/plan/plan.h"
#include "core/probe/case.h"
#include "core/score/proxy.h"

namespace polykv {

struct CaseState {
  Case source;
  PromptState full;              // context + question + answer without its last token
  at::Tensor full_log_p;         // (answer, vocab) log probabilities with the full cache
  std::vector<int> full_answer;  // arg-max at every answer position
  double full_nll = 0;           // mean over the answer tokens
  // per layer (kv_heads, tokens): full-cache attention of the question and answer queries, mean
  // over the queries and the heads of the group.
  std::vector<std::shared_ptr<const std::vector<float>>> mass;
  // per layer: score vectors by policy, parameters, seed and visibility; computed on first need.
  std::vector<std::map<std::string, std::shared_ptr<const LayerScores>>> scores;
  // per layer: what decode policies go on from, by what they ask for; computed on first need.
  std::vector<std::map<std::string, PromptMemory>> memory;

  std::vector<LayerMemo> memo;                 // per layer: what several policies read
  mutable std::vector<LayerMemo> signal_memo;  // per layer: what several layer signals read
  mutable RepeatStore repeats;  // for policies that read the context twice; made on first need

  int context() const { return static_cast<int>(source.context.size()); }
  int question() const { return static_cast<int>(source.question.size()); }
  int answer() const { return static_cast<int>(source.answer.size()); }
  // Tokens an agnostic cut sees: the context; an aware one: context and question.
  int cut_tokens(QueryVisibility query) const {
    return query == QueryVisibility::agnostic ? context() : context() + question();
  }
};

CaseState prefill_case(const Decoder& decoder, Case source, const CancelFlag* cancel);

const PromptMemory& case_memory(const Model& model, CaseState& state, int layer,
                                QueryVisibility query, const QueryMemory& asked);

// The policy's score vector of one layer, from the case's store or computed now.
std::shared_ptr<const LayerScores> case_scores(const Model& model, CaseState& state, int layer,
                                               const LayerChoice& choice, QueryVisibility query,
                                               std::uint64_t seed);

// For the view of a cut that sees the case's first `tokens` tokens; the case must outlive it.
RepeatSource case_repeat(const Model& model, const CaseState& state, int layer, int tokens);

// Key under which case_scores keeps a vector; "" for `full`.
std::string score_key(const LayerChoice& choice, QueryVisibility query, std::uint64_t seed);

}  // namespace polykv
