#pragma once
// The scores of one plan over a case set (product.md, section 3), as plain numbers.
#include <cstdint>
#include <string>
#include <vector>

#include "core/score/stats.h"

namespace polykv {

struct ScoreRow {
  std::string plan;         // name, e.g. "full", "snapkv:64"
  Estimate recall;          // exact: share of cases whose greedy answer equals the gold; Wilson
  Estimate answer_nll;      // nats per gold answer token; t over cases
  Estimate kl_to_full;      // nats per answer position, KL(p_full || p_plan); t over cases
  Estimate top1_agreement;  // share of answer positions with the full cache's arg-max; Wilson
  Estimate kept_mass;       // mean of layers; t over cases
  std::vector<double> kept_mass_by_layer;  // mean over cases
  std::int64_t kv_bytes = 0;  // allocated by the caches of one case set member, mean over cases
  std::int64_t kv_bytes_planned =
      0;                  // what the plan's budgets say; equal to kv_bytes when all is well
  double rescore_ms = 0;  // from command to exact score
};

// One case under the current plan and under the full cache.
struct CaseResult {
  bool correct = false, full_correct = false;
  double answer_nll = 0, full_nll = 0;
  std::vector<int> answer, full_answer;  // greedy answers, token ids, as long as the gold answer
};

}  // namespace polykv
