#include "views/policy_items.h"

#include "core/policies/policy.h"

namespace polykv {
namespace {

// What the row does to the cache beside choosing tokens, and whether it needs more than the model.
std::string kind_words(const Policy& policy) {
  std::string words;
  if (policy.sharing == Sharing::ragged) words = "ragged";
  if (policy.merge) words = "merging";
  if (policy.check_file) words += words.empty() ? "asks for a file" : ", asks for a file";
  return words.empty() ? "" : words + ": ";
}

}  // namespace

std::string policy_refusal(const Snapshot& now, const Policy& policy, Phase phase) {
  if (phase == Phase::decode && !(policy.phases & kDecode)) return "cuts after the prompt only";
  if (phase == Phase::prefill && !(policy.phases & kPrefill)) return "cuts while decoding only";
  if ((policy.needs & kNeedsHeads) && !now.heads) return "needs retrieval heads: Find heads";
  return "";
}

std::vector<MenuItem> policy_items(const Snapshot& now, const Plan& plan, Phase phase,
                                   const std::string& current) {
  std::vector<MenuItem> items;
  for (const Policy& policy : policies()) {
    MenuItem item;
    item.label = policy.id, item.code = policy.code;
    const std::string refusal = policy_refusal(now, policy, phase);
    item.enabled = refusal.empty() && plan.layers() > 0;
    item.hint = refusal.empty() ? kind_words(policy) + policy.summary : refusal;
    item.hint_at = 162;
    item.max_hint = 460;
    item.checked = current == policy.id;
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace polykv
