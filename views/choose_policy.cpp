// A policy for some layers; one that reads trained numbers asks for their file first.
#include "core/error.h"
#include "core/policies/policy.h"
#include "core/worker/recent.h"
#include "views/layers_model.h"

namespace polykv {
namespace {

// The file that the policy has in some layer; "" = none.
std::string file_in_use(const Plan& plan, const std::string& policy) {
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    for (const LayerChoice& choice : plan.of(phase)) {
      const auto file = choice.params.find("file");
      if (choice.policy == policy && file != choice.params.end())
        return std::get<std::string>(file->second);
    }
  }
  return "";
}

Plan with_policies(const Frame& f, const std::vector<int>& layers, const std::string& policy) {
  Plan next = f.ui.history.current();
  for (const int layer : layers) next = with_policy(next, layer, policy, band_rules(f.now, f.ui));
  return next;
}

}  // namespace

void choose_policy(Frame& f, const std::vector<int>& layers, const std::string& policy) {
  if (!find_policy(policy)->check_file) return edit_plan(f, with_policies(f, layers, policy));
  ask_path(f.ui, f.out, FileKind::policy_file, file_in_use(f.ui.history.current(), policy));
  f.ui.asking.policy = policy;
  f.ui.asking.layers = layers;
}

void use_policy_file(Frame& f, const std::vector<int>& layers, const std::string& policy,
                     const std::string& path) {
  const std::string file = without_tilde(path);
  if (!f.now.model) fail_input(file, "", "cannot be used before a model is open");
  find_policy(policy)->check_file(file, f.now.model->shape);
  const std::uint64_t before = f.ui.edit;
  edit_plan(f, with_param(with_policies(f, layers, policy), f.ui.band.phase, layers, "file", file));
  if (f.ui.edit == before) post_plan(f);  // what stands in the file may be new
}

}  // namespace polykv
