#include "core/policies/inner.h"

#include <ATen/ATen.h>

#include <sstream>

#include "core/cache/layer_view.h"

namespace polykv {
namespace {

const ParamSpec* inner_spec(const Policy& policy) {
  for (const ParamSpec& spec : policy.params) {
    if (spec.name == std::string("inner")) return &spec;
  }
  return nullptr;
}

}  // namespace

const Policy* inner_of(const Policy& policy, const Params& given) {
  const ParamSpec* spec = inner_spec(policy);
  if (!spec) return nullptr;
  const auto found = given.find("inner");
  const std::string* word =
      found == given.end() ? nullptr : std::get_if<std::string>(&found->second);
  std::istringstream choices(spec->choices);
  for (std::string choice; word && std::getline(choices, choice, '|');) {
    if (choice == *word) return find_policy(*word);
  }
  return find_policy(std::get<std::string>(spec->start));
}

Params inner_params(const Policy& policy, const Params& given) {
  Params params = given;
  for (const ParamSpec& spec : policy.params) params.erase(spec.name);
  return params;
}

at::Tensor inner_scores(const Policy& policy, const LayerView& view, const Params& given) {
  const at::Tensor scores =
      inner_of(policy, given)->score(view, inner_params(policy, given)).to(at::kFloat);
  return scores.dim() == 2 ? scores : scores.expand({view.shape().kv_heads, view.tokens()});
}

Protected inner_protected(const Policy& policy, const Params& given, int budget, int tokens) {
  return inner_of(policy, given)->protect(inner_params(policy, given), budget, tokens);
}

}  // namespace polykv
