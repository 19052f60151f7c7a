#pragma once
// Policies on numbers of the test's own, or on one prompt of a model. Plain: vectors in and out.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cache/kept.h"
#include "core/model/model.h"
#include "core/policies/policy.h"

namespace polykv {

// One layer as a policy sees it. Sizes: H query heads, G kv heads, n tokens, q queries, d channels,
// D hidden. attention holds the rows of every query since the first token, so that windows, totals
// and means by position are what a plain loop over it says.
struct LayerNumbers {
  int query_heads = 4, kv_heads = 2, dim = 4, hidden = 6, tokens = 0, queries = 0;
  Phase phase = Phase::prefill;
  int layer = 1, layers = 3, first_kv_head = 0;
  std::uint64_t seed = 0;
  std::vector<float> attention;         // (H, q, n)
  std::vector<float> keys, values;      // (G, n, d)
  std::vector<float> pre_rope;          // (H, n, d) queries before RoPE
  std::vector<float> output;            // (D, H * d)
  std::vector<float> repeat;            // (G, n)
  std::vector<std::int64_t> positions;  // (G, n)
  std::vector<int> ranked_heads;
  std::vector<float> head_scores;  // (H)

  int group() const { return query_heads / kv_heads; }
  float a(int head, int query, int token) const {
    return attention[(std::size_t(head) * queries + query) * tokens + token];
  }
  const float* k(int kv_head, int token) const {
    return keys.data() + (std::size_t(kv_head) * tokens + token) * dim;
  }
  const float* v(int kv_head, int token) const {
    return values.data() + (std::size_t(kv_head) * tokens + token) * dim;
  }
};

// Random numbers of the right shapes: causal softmax rows that are far from even, one query per
// token. Decode numbers have positions with gaps (other ones in every kv head).
LayerNumbers random_layer(int query_heads, int kv_heads, int tokens, std::uint64_t seed,
                          Phase phase = Phase::prefill);

LayerScores probe_scores(const Policy& policy, const LayerNumbers& numbers, const Params& params,
                         int budget);
Kept probe_kept(const Policy& policy, const LayerNumbers& numbers, const Params& params,
                int budget);

struct Merged {
  std::vector<float> k, v;  // (G, kept, d)
};
Merged probe_merge(const Policy& policy, const LayerNumbers& numbers, const Kept& kept,
                   const Params& params, std::vector<double>& memory);

// The full-cache run of one prompt.
class PromptProbe {
 public:
  PromptProbe(const Model& model, const std::vector<int>& ids);
  ~PromptProbe();
  LayerScores scores(int layer, const Policy& policy, const Params& params, int budget,
                     const std::vector<int>& ranked_heads = {},
                     const std::vector<float>& head_scores = {}) const;
  // What kvzip should find, from a plain run of the prompt with each chunk of it once more behind
  // it: the largest attention of those last queries, (G, n).
  std::vector<float> repeat_by_plain_runs(int layer, int chunk) const;

 private:
  struct Run;
  std::unique_ptr<Run> run_;
};

}  // namespace polykv
