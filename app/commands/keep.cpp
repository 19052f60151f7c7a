// `keep`: which tokens every layer keeps after the prefill cut.
#include <iostream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/cache/engine.h"
#include "core/model/safetensors.h"
#include "core/text.h"

namespace polykv {
namespace {

// Ascending positions as ranges: "0-3 17 56-63".
std::string ranges(const std::vector<int>& positions) {
  std::string text;
  for (std::size_t i = 0; i < positions.size();) {
    std::size_t j = i;
    while (j + 1 < positions.size() && positions[j + 1] == positions[j] + 1) ++j;
    if (!text.empty()) text += " ";
    text += std::to_string(positions[i]);
    if (j > i) text += "-" + std::to_string(positions[j]);
    i = j + 1;
  }
  return text;
}

void write_scores(const std::string& path, const KeepResult& result) {
  std::vector<FloatTensor> tensors;
  for (std::size_t l = 0; l < result.layers.size(); ++l) {
    const std::vector<float>& scores = result.layers[l].scores;  // (kv_heads, tokens)
    const std::int64_t heads = static_cast<std::int64_t>(scores.size()) / result.tokens;
    tensors.push_back({"score." + std::to_string(l), {heads, result.tokens}, scores});
  }
  write_safetensors(path, tensors);
}

void print_table(const KeepResult& result) {
  Table table({"layer", "policy", "kv head", "kept", "of", "positions"});
  for (std::size_t l = 0; l < result.layers.size(); ++l) {
    const KeptRows& layer = result.layers[l];
    for (std::size_t h = 0; h < layer.positions.size(); ++h) {
      table.add({std::to_string(l), layer.policy, std::to_string(h),
                 std::to_string(layer.positions[h].size()), std::to_string(result.tokens),
                 ranges(layer.positions[h])});
    }
  }
  table.print(std::cout, true);
  std::cout << bytes_text(result.kv_bytes) << " of keys and values after the cut\n";
}

int run(const Options& given) {
  given.require("--plan");
  ProgressLine progress;
  const auto model = open_model(given, progress);
  const Prompt prompt = read_prompt(given, *model);
  GenerateRequest request;
  request.context = prompt.context;
  request.question = prompt.question;
  request.plan = read_plan_option(given.text("--plan"), query_option(given), given, *model);
  const KeepResult result = keep(*model, request);
  if (given.has("--scores")) write_scores(given.text("--scores"), result);
  if (!given.has("--json")) {
    print_table(result);
    return 0;
  }
  Json layers = Json::array();
  for (const KeptRows& layer : result.layers) {
    layers.push_back(
        {{"policy", layer.policy}, {"budget", layer.budget}, {"positions", layer.positions}});
  }
  print_json({{"layers", layers},
              {"tokens", result.tokens},
              {"query", to_string(request.plan.query)},
              {"kv_bytes", result.kv_bytes}});
  return 0;
}

constexpr Option kOptions[] = {
    {"--plan", "P", "plan file or POLICY:BUDGET[+ALLOCATOR]"},
    kSignalOption,
    kIdsOption,
    kPromptOption,
    kPromptFileOption,
    kTemplateOption,
    kSystemOption,
    kQuestionOption,
    kQuestionIdsOption,
    kQueryOption,
    kHeadsOption,
    {"--scores", "FILE", "also write score.L (kv heads, n) as safetensors; protected = +inf"},
};

}  // namespace

const Word kKeepWord = {"keep", "The tokens that every layer keeps after the prefill cut.", "",
                        kOptions, run};

}  // namespace polykv
