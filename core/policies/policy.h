#pragma once
// The table of policies. A policy ranks the cached tokens of one layer; the keep rule
// (kernels/select) does the rest. Plain header: the tensor types are only named here.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/cache/kept.h"
#include "core/plan/plan.h"
#include "kernels/select.h"

namespace at {
class Tensor;
}

namespace polykv {

class LayerView;    // core/cache/layer_view.h: what a policy may look at
struct ModelShape;  // core/model/config.h

// What a policy reads; only what a plan's policies need is computed.
enum Need : unsigned {
  kNeedsNothing = 0,
  kNeedsKeys = 1,
  kNeedsValues = 2,
  kNeedsWindow = 4,
  kNeedsAllQueries = 8,
  kNeedsHeads = 16,       // a head list of the model
  kNeedsOutput = 32,      // the output projection
  kNeedsQueryStats = 64,  // queries before RoPE
  kNeedsRepeat = 128,     // an extra pass that repeats the context
  kNeedsFile = 256,       // trained numbers, in a file that the user gives
};
enum PhaseMask : unsigned { kPrefill = 1, kDecode = 2 };
enum class Sharing { per_kv_head, layer, ragged };  // who shares one index set

struct Protected {
  int sink = 0, recent = 0;  // first / last positions that are always kept, inside the budget
};

// What a ragged policy shares out: one layer's scores and the shape of an even cut (its budget is
// what every kv head would keep, its tokens those of the head that holds most).
struct SplitInput {
  std::vector<std::span<const float>> scores;  // per kv head, of the tokens it holds
  std::span<const float> head_weights;         // per kv head, see LayerScores
  SelectShape shape;
};

// Folds the evicted keys and values of the view into kept ones; scores: the policy's own at this
// cut; k and v (kv_heads, rows kept,
// head_dim) are the cache's own copies of the kept rows. memory: numbers of this layer that last
// from one cut to the next of a sequence, empty at its first.
using MergeFn = void (*)(const LayerView&, const LayerScores& scores, const Kept& kept,
                         const Params&, std::vector<double>& memory, at::Tensor& k, at::Tensor& v);

struct Policy {                             // one row
  const char *id, *code, *summary, *paper;  // code: two letters for narrow columns
  std::span<const ParamSpec> params;
  unsigned needs, phases;
  Sharing sharing;
  bool reads_queries;  // its meaning depends on query visibility
  // Protected tokens for a budget and a cache length.
  Protected (*protect)(const Params&, int budget, int tokens);
  // (kv_heads, tokens) or (tokens), fp32, higher = keep. Null for `full`.
  at::Tensor (*score)(const LayerView&, const Params&);
  bool scores_follow_budget = false;  // another budget gives other scores
  // Ragged: tokens kept per kv head, protected ones included. Null: the budget for every head.
  std::vector<int> (*split)(const SplitInput&, const Params&) = nullptr;
  MergeFn merge = nullptr;
  bool own_count = false;  // keeps as many tokens as it finds right, whatever the budget
  // kNeedsFile: throws an input Error unless the file can be read and is one of this model's shape.
  void (*check_file)(const std::string& path, const ModelShape&) = nullptr;
};

// What the keep rule gets for one layer: rows score rows of `tokens` tokens, the choice's budget
// (all tokens when it has none) and the policy's protected tokens.
SelectShape keep_shape(const Policy& policy, const LayerChoice& choice, int rows, int tokens);

// The parameters a choice of the policy may give in a phase: its own, those of the inner policy it
// names (an own parameter hides an inner one of the same name) and, while decoding, `every`.
std::vector<ParamSpec> param_specs(const Policy& policy, const Params& given, Phase phase);
// The policy's needs and those of the inner policy that the parameters name.
unsigned needs_of(const Policy& policy, const Params& given);
// Decode phase: a layer is cut after every so many fed tokens.
int cut_interval(const LayerChoice& decode);
// Whether it runs with nothing but the model: no head list, no file.
inline bool stands_alone(const Policy& policy) {
  return (policy.needs & (kNeedsHeads | kNeedsFile)) == 0;
}

std::span<const Policy> policies();
const Policy* find_policy(const std::string& id);  // null when unknown
std::vector<std::string> policy_ids();

}  // namespace polykv
