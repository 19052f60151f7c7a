#pragma once
// A plan as a Python file for kvpress 0.5 (https://github.com/NVIDIA/kvpress, Apache-2.0). The file
// takes scores from kvpress' presses and applies this project's keep rule to them, so that it keeps
// the same tokens wherever both score alike; what scores differently is refused, never
// approximated.
#include <span>
#include <string>
#include <vector>

#include "core/plan/plan.h"

namespace polykv {

// What of a plan has no counterpart: "policy 'random'" in some layers, and why in one sentence.
struct KvpressRefusal {
  std::string what;
  std::vector<int> layers;
  std::string reason;
};

struct KvpressSnippet {
  std::string text;                  // the Python file; empty when anything is refused
  std::vector<std::string> presses;  // per layer the Python expression; "None" keeps every token
  bool eager = false;                // the model must run with attn_implementation="eager"
  std::vector<KvpressRefusal> refused;
};

// What the plan needs of its model: query heads ranked best first per layer (empty = no head list)
// and the sliding window per layer (empty = none has one).
struct KvpressModel {
  std::vector<std::vector<int>> ranked_heads;
  std::vector<int> windows;
};
KvpressSnippet kvpress_snippet(const Plan& plan, const KvpressModel& model);

// "policy 'random' (layers 0-2, 5): REASON".
std::string refusal_text(const KvpressRefusal& refusal);

// The Python file around the layers' expressions; used by kvpress_snippet.
std::string kvpress_file(const Plan& plan, std::span<const std::string> presses, bool eager);

}  // namespace polykv
