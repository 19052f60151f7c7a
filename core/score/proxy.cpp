#include "core/score/proxy.h"

#include <cstdint>

#include "core/error.h"
#include "core/policies/policy.h"

namespace polykv {
namespace {

// A parameter left out takes its default, so {} and {"window": 8} can be the same choice.
bool same_params(const Params& a, const Params& b, std::span<const ParamSpec> specs) {
  for (const ParamSpec& spec : specs) {
    const auto in_a = a.find(spec.name), in_b = b.find(spec.name);
    if ((in_a == a.end() ? spec.start : in_a->second) !=
        (in_b == b.end() ? spec.start : in_b->second)) {
      return false;
    }
  }
  return true;
}

// True when every layer that cuts has scores of the policy the plan names.
bool has_scores(const ProxyData& data, const Plan& plan) {
  const auto& layers = plan.of(Phase::prefill);
  if (data.cases.empty() || data.kv_heads < 1 || layers.empty() || data.query != plan.query ||
      data.choices.size() != layers.size()) {
    return false;
  }
  for (std::size_t l = 0; l < layers.size(); ++l) {
    if (layers[l].policy == "full") continue;
    const Policy* policy = find_policy(layers[l].policy);
    if (policy == nullptr || policy->protect == nullptr ||
        data.choices[l].policy != layers[l].policy ||
        (policy->scores_follow_budget && data.choices[l].budget != layers[l].budget) ||
        !same_params(data.choices[l].params, layers[l].params,
                     param_specs(*policy, layers[l].params, Phase::prefill))) {
      return false;
    }
    for (const ProxyCase& each : data.cases) {
      if (each.layers.size() != layers.size() || each.mass.size() != layers.size()) return false;
      const LayerScores* stored = each.layers[l].get();
      const std::vector<float>* mass = each.mass[l].get();
      if (stored == nullptr || mass == nullptr) return false;
      const std::size_t tokens = stored->tokens, rows = stored->rows, heads = data.kv_heads;
      if (stored->tokens != each.tokens || (rows != 1 && rows != heads) ||
          stored->scores.size() != rows * tokens || mass->size() < heads * tokens ||
          mass->size() % heads != 0) {
        return false;
      }
    }
  }
  return true;
}

// Attention that stays reachable: 1 - mass of the evicted tokens, mean over kv heads. What the
// queries give to question and answer tokens is never evicted, so it counts as kept.
double kept_mass_of(const Kept& kept, const std::vector<float>& mass, int kv_heads,
                    std::size_t tokens) {
  if (kept.everything()) return 1;
  const std::size_t stride = mass.size() / kv_heads;
  double evicted = 0;
  for (int head = 0; head < kv_heads; ++head) {
    const float* of_head = mass.data() + head * stride;
    const std::span<const std::int32_t> row = kept.head(head);
    std::size_t from = 0;
    for (std::size_t i = 0; i <= row.size(); ++i) {  // the gaps between kept positions
      const std::size_t to = i < row.size() ? static_cast<std::size_t>(row[i]) : tokens;
      for (; from < to; ++from) evicted += of_head[from];
      from = to + 1;
    }
  }
  return 1 - evicted / kv_heads;
}

ProxyCut cut_by(const ProxyData& data, const Plan& plan, int detail_case) {
  ProxyCut result;
  result.available = true;
  const auto& choices = plan.of(Phase::prefill);
  result.by_layer.assign(choices.size(), 0);
  result.kept.resize(choices.size());
  for (std::size_t l = 0; l < choices.size(); ++l) {
    for (std::size_t c = 0; c < data.cases.size(); ++c) {
      const ProxyCase& each = data.cases[c];
      const bool full = choices[l].policy == "full";
      const Kept kept = full ? Kept{}
                             : keep_rows(*find_policy(choices[l].policy), choices[l],
                                         *each.layers[l], data.kv_heads);
      result.by_layer[l] +=
          (full ? 1 : kept_mass_of(kept, *each.mass[l], data.kv_heads, each.tokens)) /
          data.cases.size();
      if (static_cast<int>(c) != detail_case || kept.everything()) continue;
      for (int head = 0; head < data.kv_heads; ++head) {
        result.kept[l].emplace_back(kept.head(head).begin(), kept.head(head).end());
      }
    }
    result.kept_mass += result.by_layer[l] / choices.size();
  }
  return result;
}

}  // namespace

ProxyCut preview_cut(const ProxyData& data, const Plan& plan, int detail_case) {
  if (!has_scores(data, plan)) return {};
  try {
    return cut_by(data, plan, detail_case);
  } catch (const Error&) {  // the file of a ragged policy is gone; scoring will say so
    return {};
  }
}

}  // namespace polykv
