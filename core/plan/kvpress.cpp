#include "core/plan/kvpress.h"

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>

#include "core/policies/inner.h"
#include "core/policies/policy.h"

namespace polykv {
namespace {

struct Argument {
  const char *param, *keyword;  // of the policy, in Python
};

enum class Recent {
  fixed,      // a number of tokens for every length of the prompt
  by_length,  // lag_tail says how many
  scored,     // the press' own scores hold them
};

// One policy. A press scores; without one, `refine` makes other scores of the inner policy's; with
// neither it is refused.
struct Row {
  const char* policy;
  const char* press = "";
  std::vector<Argument> arguments = {};
  const char* refine = "";
  const char* refusal = "";
  Recent recent = Recent::fixed;
  bool eager = false;  // the press reads attention, which only eager attention hands out
};

constexpr const char* kNoPress = "kvpress 0.5 has no press that scores this way";
constexpr const char* kMerges = "kvpress merges evicted tokens by other rules, or not at all";

const std::vector<Row>& rows() {
  static const std::vector<Argument> window = {{"window", "window_size"},
                                               {"kernel", "kernel_size"}};
  static const std::vector<Row> all = {
      {.policy = "full"},
      {.policy = "streaming_llm",
       .press = "StreamingLLMPress",
       .arguments = {{"sink", "n_sink"}},
       .recent = Recent::scored},
      {.policy = "h2o",
       .press = "H2OPress",
       .arguments = {{"normalise", "normalise"}},
       .eager = true},
      {.policy = "tova", .press = "TOVAPress"},
      {.policy = "snapkv", .press = "SnapKVPress", .arguments = window},
      {.policy = "pyramidkv", .press = "SnapKVPress", .arguments = window},  // with our budgets
      {.policy = "compresskv", .press = "CompressKVPress", .arguments = window},
      {.policy = "knorm", .press = "KnormPress"},
      {.policy = "keydiff", .press = "KeyDiffPress"},
      {.policy = "lagkv",
       .press = "LagKVPress",
       .arguments = {{"sink", "n_sink"}, {"lag", "lag_size"}},
       .recent = Recent::by_length},
      {.policy = "expected_attention",
       .press = "ExpectedAttentionPress",
       .arguments = {{"future", "n_future_positions"},
                     {"sink", "n_sink"},
                     {"covariance", "use_covariance"},
                     {"vnorm", "use_vnorm"},
                     {"eps", "epsilon"}}},
      {.policy = "chunkkv", .arguments = {{"chunk", "chunk"}}, .refine = "chunk_means"},
      {.policy = "criticalkv",
       .arguments = {{"eps", "eps"}, {"first", "first"}},
       .refine = "two_stages"},
      {.policy = "adakv", .arguments = {{"alpha", "alpha"}}, .refine = "share"},
      {.policy = "random", .refusal = "kvpress draws from another random stream"},
      {.policy = "scissorhands", .refusal = kNoPress},
      {.policy = "cake", .refusal = kNoPress},
      {.policy = "headkv", .refusal = kNoPress},
      {.policy = "defensivekv", .refusal = kNoPress},
      {.policy = "d2o", .refusal = kMerges},
      {.policy = "cam", .refusal = kMerges},
      {.policy = "simlayerkv",
       .refusal = "SimLayerKVPress leaves the last token's own weight out of the test that makes a "
                  "layer lazy"},
      {.policy = "kvzip",
       .refusal = "KVzipPress has the context repeated behind a prompt of its own, and shares the "
                  "budget over the kv heads"},
      {.policy = "qfilter",
       .refusal = "QFilterPress downloads its filters by the model's name, it reads no file"},
      {.policy = "duo",
       .refusal = "DuoAttentionPress downloads its gates by the model's name, it reads no file"}};
  return all;
}

const Row& row_of(const std::string& policy) {
  for (const Row& row : rows()) {
    if (policy == row.policy) return row;
  }
  static const Row unknown = {.policy = "", .refusal = kNoPress};
  return unknown;
}

std::string number_text(double number) {  // shortest that reads back the same
  char text[32];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(text, sizeof(text), "%.*g", digits, number);
    if (std::strtod(text, nullptr) == number) break;
  }
  return text;
}

// "window_size=8, kernel_size=5".
std::string arguments_text(const Row& row, const Policy& policy, const Params& params) {
  std::string text;
  for (const Argument& argument : row.arguments) {
    const auto spec = std::find_if(policy.params.begin(), policy.params.end(), [&](const auto& s) {
      return s.name == std::string(argument.param);
    });
    text += std::string(text.empty() ? "" : ", ") + argument.keyword + "=";
    if (spec->kind == ParamKind::flag) {
      text += flag_param(params, policy.params, spec->name) ? "True" : "False";
    } else if (spec->kind == ParamKind::integer) {
      text += std::to_string(integer_param(params, policy.params, spec->name));
    } else {
      text += number_text(number_param(params, policy.params, spec->name));
    }
  }
  return text;
}

std::string heads_text(const std::vector<int>& ranked, int count) {
  std::string text;
  for (int i = 0; i < std::min(count, static_cast<int>(ranked.size())); ++i) {
    text += std::to_string(ranked[i]) + ",";
  }
  return ", heads=(" + text + ")";
}

// One layer's choice with the policy that scores.
struct Scorer {
  const Policy& policy;
  const Row& row;
  Params params;
};

Scorer scorer_of(const LayerChoice& choice) {
  const Policy& outer = *find_policy(choice.policy);
  const Policy* inner = inner_of(outer, choice.params);
  if (!inner) return {outer, row_of(outer.id), choice.params};
  return {*inner, row_of(inner->id), inner_params(outer, choice.params)};
}

// Why the choice cannot be mapped; "" when it can.
std::string fault_of(const LayerChoice& choice, const KvpressModel& model) {
  const Row& row = row_of(choice.policy);
  if (*row.refusal) return row.refusal;
  if (choice.policy == "full") return "";
  const Scorer scorer = scorer_of(choice);
  if (*scorer.row.refusal) {
    return std::string("its inner policy '") + scorer.policy.id + "': " + scorer.row.refusal;
  }
  if (scorer.row.press == std::string("SnapKVPress")) {
    if (choice_param(scorer.params, scorer.policy.params, "pool") != "avg") {
      return "SnapKVPress pools by the average, not by the maximum";
    }
    if (integer_param(scorer.params, scorer.policy.params, "kernel") % 2 == 0) {
      return "SnapKVPress pools with odd kernels only";
    }
  }
  if ((scorer.policy.needs & kNeedsHeads) && model.ranked_heads.empty()) {
    return "the retrieval heads are not known; `heads` finds them, --heads FILE names them";
  }
  return "";
}

std::string press_text(const LayerChoice& choice, int layer, const KvpressModel& model) {
  if (choice.policy == "full") return "None";
  const Scorer scorer = scorer_of(choice);
  std::string arguments = arguments_text(scorer.row, scorer.policy, scorer.params);
  if (scorer.policy.needs & kNeedsHeads) {
    arguments += heads_text(model.ranked_heads[layer],
                            integer_param(scorer.params, scorer.policy.params, "heads"));
  }
  std::string text =
      "Layer(" + std::to_string(*choice.budget) + ", " + scorer.row.press + "(" + arguments + ")";
  // Long prompts: what a policy protects then depends on its budget alone.
  const Protected fixed = scorer.policy.protect(scorer.params, *choice.budget, INT_MAX / 2);
  if (fixed.sink > 0) text += ", sink=" + std::to_string(fixed.sink);
  if (scorer.row.recent == Recent::by_length) {
    const Params& params = scorer.params;
    const std::span<const ParamSpec> specs = scorer.policy.params;
    text +=
        ", recent=partial(lag_tail, sink=" + std::to_string(integer_param(params, specs, "sink")) +
        ", lag=" + std::to_string(integer_param(params, specs, "lag")) + ")";
  } else if (scorer.row.recent == Recent::fixed && fixed.recent > 0) {
    text += ", recent=" + std::to_string(fixed.recent);
  }
  const Row& outer = row_of(choice.policy);
  if (*outer.refine) {
    const std::string own = arguments_text(outer, *find_policy(choice.policy), choice.params);
    text += outer.refine == std::string("share")
                ? ", " + own
                : std::string(", refine=partial(") + outer.refine + ", " + own + ")";
  }
  return text + ")";
}

void refuse(std::vector<KvpressRefusal>& refused, const std::string& what,
            const std::string& reason, int layer) {
  for (KvpressRefusal& known : refused) {
    if (known.what == what && known.reason == reason) return known.layers.push_back(layer);
  }
  refused.push_back({what, {layer}, reason});
}

}  // namespace

KvpressSnippet kvpress_snippet(const Plan& plan, const KvpressModel& model) {
  KvpressSnippet snippet;
  std::vector<int> masking, reading;
  for (int l = 0; l < plan.layers(); ++l) {
    const LayerChoice& choice = plan.of(Phase::prefill)[l];
    const std::string fault = fault_of(choice, model);
    if (!fault.empty()) {
      refuse(snippet.refused, "policy '" + choice.policy + "'", fault, l);
    } else {
      if (choice.policy == "adakv") masking.push_back(l);
      if (choice.policy != "full" && scorer_of(choice).row.eager) reading.push_back(l);
      snippet.presses.push_back(press_text(choice, l, model));
    }
    const std::string& decode = plan.of(Phase::decode)[l].policy;
    if (decode != "full") {
      refuse(snippet.refused, "decode policy '" + decode + "'",
             "DecodingPress has one size for all layers and counts the question as a decode step",
             l);
    }
    if (l < static_cast<int>(model.windows.size()) && model.windows[l] > 0) {
      refuse(snippet.refused, "the sliding window",
             "presses would cut such layers too, which the plan leaves to their window", l);
    }
  }
  snippet.eager = !reading.empty();
  if (!masking.empty() && snippet.eager) {
    snippet.refused.push_back({"policy 'adakv' beside 'h2o'", masking,
                               "kvpress masks for adakv, which does nothing with eager attention, "
                               "and h2o needs eager attention"});
  }
  if (snippet.refused.empty()) {
    snippet.text = kvpress_file(plan, snippet.presses, snippet.eager);
  } else {
    snippet.presses.clear();
  }
  return snippet;
}

std::string refusal_text(const KvpressRefusal& refusal) {
  std::string layers;
  for (std::size_t i = 0; i < refusal.layers.size();) {
    std::size_t j = i;
    while (j + 1 < refusal.layers.size() && refusal.layers[j + 1] == refusal.layers[j] + 1) ++j;
    layers += (layers.empty() ? "" : ", ") + std::to_string(refusal.layers[i]);
    if (j > i) layers += "-" + std::to_string(refusal.layers[j]);
    i = j + 1;
  }
  return refusal.what + " (layer" + (refusal.layers.size() == 1 ? " " : "s ") + layers +
         "): " + refusal.reason;
}

}  // namespace polykv
