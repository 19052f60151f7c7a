// `export`: a plan as a file for another program.
#include <filesystem>
#include <iostream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/budgets/signal.h"
#include "core/error.h"
#include "core/plan/kvpress.h"
#include "core/probe/head_list.h"

namespace polykv {
namespace {

// The config and the head list alone: a plan can leave for a machine that the model fits on.
KvpressModel read_model(const Options& given, const std::string& folder,
                        const ModelConfig& config) {
  KvpressModel model;
  model.windows = config.windows;
  const bool named = given.has("--heads");
  const std::string path = named ? given.text("--heads") : folder + "/heads.json";
  if (!named && !std::filesystem::exists(path)) return model;
  const HeadList heads = read_heads(path, {config.shape.layers, config.shape.query_heads, ""});
  for (int l = 0; l < config.shape.layers; ++l) model.ranked_heads.push_back(heads.ranked(l));
  return model;
}

Json answer_json(const Plan& plan, const KvpressSnippet& snippet, const std::string& out) {
  Json layers = Json::array(), refused = Json::array();
  for (std::size_t l = 0; l < snippet.presses.size(); ++l) {
    const LayerChoice& choice = plan.of(Phase::prefill)[l];
    layers.push_back({{"policy", choice.policy},
                      {"budget", choice.budget ? Json(*choice.budget) : Json()},
                      {"press", snippet.presses[l]}});
  }
  for (const KvpressRefusal& each : snippet.refused) {
    refused.push_back({{"what", each.what}, {"layers", each.layers}, {"reason", each.reason}});
  }
  return {{"to", "kvpress"},
          {"out", snippet.refused.empty() ? Json(out) : Json()},
          {"query", to_string(plan.query)},
          {"eager", snippet.eager},
          {"layers", layers},
          {"refused", refused}};
}

int run(const Options& given) {
  for (const char* option : {"--plan", "--to", "--out"}) given.require(option);
  given.choice("--to", "", {"kvpress"});
  const std::string folder = model_folder(given), out = given.text("--out");
  const ModelConfig config = read_config(folder);
  std::optional<Signal> signal;
  if (given.has("--signal")) signal = read_signal(given.text("--signal"));
  const auto query = query_option(given);
  Plan plan =
      plan_from_argument(given.text("--plan"), {config.shape.layers, config.shape.kv_heads, ""},
                         query.value_or(QueryVisibility::agnostic), signal ? &*signal : nullptr);
  if (query) plan.query = *query;
  const KvpressSnippet snippet = kvpress_snippet(plan, read_model(given, folder, config));
  if (snippet.refused.empty()) write_file_atomic(out, snippet.text);
  if (given.has("--json")) print_json(answer_json(plan, snippet, out));
  if (!snippet.refused.empty()) {
    std::string sentence = "kvpress cannot do this plan, nothing was written";
    for (const KvpressRefusal& each : snippet.refused) sentence += "\n  " + refusal_text(each);
    throw Error(ErrorKind::failed, sentence);
  }
  if (!given.has("--json")) {
    std::cout << out << ": " << plan.layers() << " layers for kvpress 0.5"
              << (snippet.eager ? "; the model must run with attn_implementation=\"eager\"" : "")
              << "\n";
  }
  return 0;
}

constexpr Option kOptions[] = {
    {"--plan", "P", "plan file or POLICY:BUDGET[+ALLOCATOR]"},
    {"--to", "kvpress", "the program it is for"},
    {"--out", "FILE", "Python file to write"},
    kSignalOption,
    kQueryOption,
    kHeadsOption,
};

}  // namespace

const Word kExportWord = {
    "export",
    "A plan as a Python file for kvpress.",
    "",
    kOptions,
    run,
    "The file keeps the same tokens as the studio. What kvpress 0.5 cannot do is refused by name "
    "(exit\ncode 1) and nothing is written: random draws, merging, policies that need files or "
    "have no press,\nand cuts while decoding. Of the model only config.json and the head list are "
    "read."};

}  // namespace polykv
