#include <algorithm>
#include <array>

#include "core/policies/inner.h"
#include "core/policies/rows.h"

namespace polykv {
namespace {

const ParamSpec kEvery = {
    "every", ParamKind::integer, 1, 1000000, 1.0, "cut after every so many fed tokens"};

bool has_name(std::span<const ParamSpec> specs, const char* name) {
  return std::any_of(specs.begin(), specs.end(),
                     [&](const ParamSpec& spec) { return spec.name == std::string(name); });
}

}  // namespace

Protected protect_nothing(const Params&, int, int) { return {}; }

SelectShape keep_shape(const Policy& policy, const LayerChoice& choice, int rows, int tokens) {
  const int budget = std::min(choice.budget.value_or(tokens), tokens);
  const Protected fixed = policy.protect(choice.params, budget, tokens);
  return {
      .rows = rows, .tokens = tokens, .budget = budget, .sink = fixed.sink, .recent = fixed.recent};
}

std::vector<ParamSpec> param_specs(const Policy& policy, const Params& given, Phase phase) {
  std::vector<ParamSpec> specs(policy.params.begin(), policy.params.end());
  if (const Policy* inner = inner_of(policy, given)) {
    for (const ParamSpec& spec : inner->params) {
      if (!has_name(policy.params, spec.name)) specs.push_back(spec);
    }
  }
  if (phase == Phase::decode && policy.score) specs.push_back(kEvery);
  return specs;
}

unsigned needs_of(const Policy& policy, const Params& given) {
  const Policy* inner = inner_of(policy, given);
  return policy.needs | (inner ? inner->needs : 0u);
}

int cut_interval(const LayerChoice& decode) {
  return integer_param(decode.params, {&kEvery, 1}, kEvery.name);
}

std::span<const Policy> policies() {
  static const std::array table = {full_policy(),
                                   random_policy(),
                                   streaming_llm_policy(),
                                   h2o_policy(),
                                   scissorhands_policy(),
                                   tova_policy(),
                                   snapkv_policy(),
                                   pyramidkv_policy(),
                                   cake_policy(),
                                   adakv_policy(),
                                   headkv_policy(),
                                   compresskv_policy(),
                                   knorm_policy(),
                                   keydiff_policy(),
                                   lagkv_policy(),
                                   expected_attention_policy(),
                                   chunkkv_policy(),
                                   criticalkv_policy(),
                                   defensivekv_policy(),
                                   d2o_policy(),
                                   cam_policy(),
                                   simlayerkv_policy(),
                                   kvzip_policy(),
                                   qfilter_policy(),
                                   duo_policy()};
  return table;
}

const Policy* find_policy(const std::string& id) {
  for (const Policy& policy : policies()) {
    if (id == policy.id) return &policy;
  }
  return nullptr;
}

std::vector<std::string> policy_ids() {
  std::vector<std::string> ids;
  for (const Policy& policy : policies()) ids.emplace_back(policy.id);
  return ids;
}

}  // namespace polykv
