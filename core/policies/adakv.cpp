#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/policies/inner.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kParams[] = {
    {"inner", ParamKind::choice, 0, 0, std::string("snapkv"),
     "the policy that scores; heads are compared, so attention and not norms",
     "snapkv|h2o|scissorhands|cake|expected_attention|defensivekv|kvzip"},
    {"alpha", ParamKind::number, 0, 1, 0.2, "share of an even budget that every head is sure of"},
};

Protected protect(const Params& params, int budget, int tokens) {
  return inner_protected(adakv_policy(), params, budget, tokens);
}

at::Tensor score(const LayerView& view, const Params& params) {
  return inner_scores(adakv_policy(), view, params);
}

struct Candidate {
  float score;
  int head, token;
};

// Higher scores first, ties to the lower head and then the lower position.
bool before(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.head != b.head ? a.head < b.head : a.token < b.token;
}

// Every head first takes its floor of the best candidates; all that is left competes in one flat
// top-k for the rest of the layer's pool.
std::vector<int> split(const SplitInput& in, const Params& params) {
  const SelectShape shape = fit_protected(in.shape);
  const int fixed = shape.sink + shape.recent, even = kept_count(shape) - fixed;
  const int floor =
      static_cast<int>(std::floor(number_param(params, kParams, "alpha") * even + 1e-9));
  const int heads = static_cast<int>(in.scores.size());
  std::vector<int> counts(in.scores.size(), fixed + floor);
  std::vector<Candidate> pool;
  std::vector<Candidate> own;
  for (int head = 0; head < heads; ++head) {
    const std::span<const float> scores = in.scores[head];
    own.clear();
    for (int i = shape.sink; i < shape.tokens - shape.recent; ++i) {
      own.push_back({scores[i], head, i});
    }
    std::nth_element(own.begin(), own.begin() + floor, own.end(), before);
    pool.insert(pool.end(), own.begin() + floor, own.end());
  }
  const int rest = heads * (even - floor);
  std::nth_element(pool.begin(), pool.begin() + rest, pool.end(), before);
  for (int i = 0; i < rest; ++i) ++counts[pool[i].head];
  return counts;
}

}  // namespace

const Policy& adakv_policy() {
  static const Policy row = {
      .id = "adakv",
      .code = "AD",
      .summary = "shares a layer's budget over its kv heads by one ranking of all their tokens",
      .paper = "arXiv 2407.11550",
      .params = kParams,
      .needs = kNeedsNothing,
      .phases = kPrefill,
      .sharing = Sharing::ragged,
      .reads_queries = true,
      .protect = protect,
      .score = score,
      .split = split};
  return row;
}

}  // namespace polykv
