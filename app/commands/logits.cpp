// `logits`: the model's raw numbers for a prompt, as a safetensors file.
#include <iostream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/cache/engine.h"

namespace polykv {
namespace {

int run(const Options& given) {
  given.require("--out");
  ProgressLine progress;
  const auto model = open_model(given, progress);
  const Prompt prompt = read_prompt(given, *model);
  LogitsRequest request;
  request.ids = prompt.context;
  const int tokens = static_cast<int>(request.ids.size());
  request.last = given.integer("--last", 0, 0, tokens);
  request.hidden = given.has("--hidden");
  request.keys_values = given.has("--kv");
  request.out = given.text("--out");
  write_logits(*model, request);
  const int rows = request.last == 0 ? tokens : request.last;
  if (given.has("--json")) {
    print_json({{"out", request.out},
                {"tokens", tokens},
                {"rows", rows},
                {"vocab", model->shape().vocab}});
  } else {
    std::cout << "wrote " << rows << " x " << model->shape().vocab << " logits to " << request.out
              << "\n";
  }
  return 0;
}

constexpr Option kOptions[] = {
    kIdsOption,
    kPromptOption,
    kPromptFileOption,
    kTemplateOption,
    kSystemOption,
    {"--out", "FILE", "safetensors file to write: logits (n, vocab) fp32"},
    {"--last", "N", "only the last N positions; 0 = all (default)"},
    {"--hidden", "", "also hidden.L (n, hidden) after each layer"},
    {"--kv", "", "also key.L and value.L (kv heads, n, head dim), keys after RoPE"},
};

}  // namespace

const Word kLogitsWord = {"logits", "Logits, hidden states, keys and values of a prompt as a file.",
                          "", kOptions, run};

}  // namespace polykv
