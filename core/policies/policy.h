#pragma once
// The table of policies. A policy ranks the cached tokens of one layer; the keep rule
// (kernels/select) does the rest. Plain header: the tensor types are only named here.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "kernels/select.h"

namespace at {
class Tensor;
}

namespace polykv {

class LayerView;  // core/cache/layer_view.h: what a policy may look at

// What a policy reads; only what a plan's policies need is computed.
enum Need : unsigned {
  kNeedsNothing = 0,
  kNeedsKeys = 1,
  kNeedsValues = 2,
  kNeedsWindow = 4,
  kNeedsAllQueries = 8,
};
enum PhaseMask : unsigned { kPrefill = 1, kDecode = 2 };
enum class Sharing { per_kv_head, layer, ragged };  // who shares one index set

struct Protected {
  int sink = 0, recent = 0;  // first / last positions that are always kept, inside the budget
};

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
};

// What the keep rule gets for one layer: rows score rows of `tokens` tokens, the choice's budget
// (all tokens when it has none) and the policy's protected tokens.
SelectShape keep_shape(const Policy& policy, const LayerChoice& choice, int rows, int tokens);

std::span<const Policy> policies();
const Policy* find_policy(const std::string& id);  // null when unknown
std::vector<std::string> policy_ids();

}  // namespace polykv
