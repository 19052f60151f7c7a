// `policies`: the tables of policies, allocators and layer signals.
#include <iostream>
#include <utility>

#include "app/commands/options.h"
#include "app/commands/table.h"
#include "core/budgets/allocator.h"
#include "core/policies/policy.h"
#include "core/signals/layer_signals.h"

namespace polykv {
namespace {

const char* kind_word(ParamKind kind) {
  switch (kind) {
    case ParamKind::integer:
      return "integer";
    case ParamKind::number:
      return "number";
    case ParamKind::flag:
      return "flag";
    case ParamKind::choice:
      return "choice";
    case ParamKind::text:
      return "text";
  }
  return "";
}

const char* sharing_word(Sharing sharing) {
  switch (sharing) {
    case Sharing::per_kv_head:
      return "per_kv_head";
    case Sharing::layer:
      return "layer";
    case Sharing::ragged:
      return "ragged";
  }
  return "";
}

Json json_of(const ParamValue& value, ParamKind kind) {
  if (const double* number = std::get_if<double>(&value)) {
    return kind == ParamKind::integer ? Json(static_cast<std::int64_t>(*number)) : Json(*number);
  }
  if (const bool* flag = std::get_if<bool>(&value)) return *flag;
  return std::get<std::string>(value);
}

Json json_of(std::span<const ParamSpec> params) {
  Json list = Json::array();
  for (const ParamSpec& spec : params) {
    Json item = {{"name", spec.name},
                 {"kind", kind_word(spec.kind)},
                 {"start", json_of(spec.start, spec.kind)},
                 {"help", spec.help}};
    if (spec.kind == ParamKind::integer || spec.kind == ParamKind::number) {
      item["low"] = json_of(spec.low, spec.kind);
      item["high"] = json_of(spec.high, spec.kind);
    }
    if (spec.kind == ParamKind::choice) item["choices"] = spec.choices;
    list.push_back(item);
  }
  return list;
}

std::string text_of(std::span<const ParamSpec> params) {
  std::string text;
  for (const ParamSpec& spec : params) {
    text += std::string(text.empty() ? "" : ", ") + spec.name + "=" +
            json_of(spec.start, spec.kind).dump();
  }
  return text;
}

std::string needs_text(const Allocator& allocator) {
  std::string text;
  for (const std::string& part : part_words(allocator.needs)) {
    text += (text.empty() ? "" : " ") + part;
  }
  return text.empty() ? "-" : text;
}

std::vector<std::string> need_words(const Policy& policy) {
  constexpr std::pair<unsigned, const char*> kWords[] = {{kNeedsKeys, "keys"},
                                                         {kNeedsValues, "values"},
                                                         {kNeedsWindow, "window"},
                                                         {kNeedsAllQueries, "all_queries"},
                                                         {kNeedsHeads, "head_list"},
                                                         {kNeedsOutput, "output_projection"},
                                                         {kNeedsQueryStats, "query_statistics"},
                                                         {kNeedsRepeat, "repeat_pass"},
                                                         {kNeedsFile, "file"}};
  std::vector<std::string> words;
  for (const auto& [need, word] : kWords) {
    if (policy.needs & need) words.emplace_back(word);
  }
  for (const ParamSpec& spec : policy.params) {
    if (spec.name == std::string("inner")) words.emplace_back("what_inner_needs");
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text.empty() ? "-" : text;
}

std::vector<std::string> phases_of(const Policy& policy) {
  std::vector<std::string> phases;
  if (policy.phases & kPrefill) phases.push_back("prefill");
  if (policy.phases & kDecode) phases.push_back("decode");
  return phases;
}

int run(const Options& given) {
  Json all_policies = Json::array(), all_allocators = Json::array();
  Table policy_table({"policy", "parameters", "keeps"});
  Table use_table({"policy", "phases", "reads the question", "sharing", "needs", "paper"});
  for (const Policy& policy : policies()) {
    policy_table.add({policy.id, text_of(policy.params), policy.summary});
    use_table.add({policy.id, joined(phases_of(policy)), policy.reads_queries ? "yes" : "no",
                   sharing_word(policy.sharing), joined(need_words(policy)), policy.paper});
    all_policies.push_back({{"id", policy.id},
                            {"code", policy.code},
                            {"summary", policy.summary},
                            {"paper", policy.paper},
                            {"params", json_of(policy.params)},
                            {"phases", phases_of(policy)},
                            {"sharing", sharing_word(policy.sharing)},
                            {"needs", need_words(policy)},
                            {"reads_queries", policy.reads_queries}});
  }
  Table allocator_table({"allocator", "reads", "parameters", "shares the total"});
  for (const Allocator& allocator : allocators()) {
    allocator_table.add(
        {allocator.id, needs_text(allocator), text_of(allocator.params), allocator.summary});
    all_allocators.push_back({{"id", allocator.id},
                              {"summary", allocator.summary},
                              {"paper", allocator.paper},
                              {"needs", part_words(allocator.needs)},
                              {"params", json_of(allocator.params)}});
  }
  Json all_signals = Json::array();
  Table signal_table({"signal", "measures"});
  for (const LayerSignal& signal : layer_signals()) {
    signal_table.add({signal.id, signal.summary});
    all_signals.push_back({{"id", signal.id}, {"summary", signal.summary}});
  }
  if (given.has("--json")) {
    print_json(
        {{"policies", all_policies}, {"allocators", all_allocators}, {"signals", all_signals}});
    return 0;
  }
  policy_table.print(std::cout, true);
  std::cout << "\nWhile decoding every policy also takes every=1: cut after every so many fed "
               "tokens.\nA policy with `inner` takes the parameters of that policy too.\n\n";
  use_table.print(std::cout, true);
  std::cout << "\n";
  allocator_table.print(std::cout, true);
  std::cout << "\n";
  signal_table.print(std::cout, true);
  return 0;
}

}  // namespace

const Word kPoliciesWord = {
    "policies", "The policies, allocators and layer signals there are.", "", {}, run};

}  // namespace polykv
