#pragma once
// The plan: per phase and layer a policy, its parameters and a budget. A value; JSON
// "polykv-plan/1".
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/plan/params.h"

namespace polykv {

struct Signal;  // core/budgets/signal.h

enum class Phase { prefill = 0, decode = 1 };
enum class QueryVisibility { agnostic, aware };  // agnostic: the cut sees the context only

const char* to_string(Phase phase);
const char* to_string(QueryVisibility query);
std::optional<QueryVisibility> query_from(const std::string& word);

struct LayerChoice {
  std::string policy = "full";
  std::optional<int> budget;  // tokens kept per kv head, protected ones included; none = full
  Params params;
  std::string extra = "{}";  // unknown keys of this layer as a JSON object, kept on a round trip
  bool operator==(const LayerChoice&) const = default;
};

struct Plan {
  std::string name = "full";
  QueryVisibility query = QueryVisibility::agnostic;
  std::array<std::vector<LayerChoice>, 2> phases;  // [Phase][layer]
  std::uint64_t seed = 0;
  std::string extra = "{}";  // unknown top-level keys (and model.*) as a JSON object
  bool operator==(const Plan&) const = default;

  int layers() const { return static_cast<int>(phases[0].size()); }
  const std::vector<LayerChoice>& of(Phase phase) const { return phases[static_cast<int>(phase)]; }
  std::vector<LayerChoice>& of(Phase phase) { return phases[static_cast<int>(phase)]; }
  // Sum of the budgets of the layers that have one (tokens per kv head).
  int total(Phase phase) const;
};

// What a plan must fit: layer count, kv heads, the model's fingerprint (empty = not checked).
struct PlanTarget {
  int layers = 0, kv_heads = 0;
  std::string fingerprint;
};

// Parses "polykv-plan/1" text; origin is the file name for messages. Throws an input Error naming
// the layer and key: unknown policy, wrong phase, wrong layer count, budget < 1, total that does
// not add up, parameters out of range. Nothing is half-loaded.
Plan parse_plan(const std::string& text, const std::string& origin, const PlanTarget& target);
std::string plan_json(const Plan& plan,
                      const PlanTarget& target);  // indented text, stable key order
Plan read_plan(const std::string& path, const PlanTarget& target);
void write_plan(const std::string& path, const Plan& plan, const PlanTarget& target);

// All layers `policy` with the same budget in prefill (decode full); budget none only for "full".
Plan uniform_plan(const std::string& policy, std::optional<int> budget, int layers,
                  QueryVisibility query);

// A plan argument of the command line: a file name, or POLICY:BUDGET[+ALLOCATOR] ("snapkv:64",
// "snapkv:64+pyramid", "full"). BUDGET is the mean per layer. `signal` is for allocators that need
// one; null = none at hand. Throws with the nearest known word.
Plan plan_from_argument(const std::string& argument, const PlanTarget& target,
                        QueryVisibility query, const Signal* signal = nullptr);

// First 12 hex digits of a SHA-256 over the plan's canonical JSON without name: equal plans, equal
// print.
std::string plan_fingerprint(const Plan& plan);

}  // namespace polykv
