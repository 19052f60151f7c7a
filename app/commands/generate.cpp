// `generate`: greedy continuation under a plan.
#include <iostream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/cache/engine.h"
#include "core/text.h"

namespace polykv {
namespace {

int run(const Options& given) {
  ProgressLine progress;
  const auto model = open_model(given, progress);
  const Prompt prompt = read_prompt(given, *model);
  GenerateRequest request;
  request.context = prompt.context;
  request.question = prompt.question;
  request.plan = read_plan_option(given.text("--plan"), query_option(given), given, *model);
  request.max_new = given.integer("--max-new", request.max_new, 1, model->shape().max_tokens);
  request.stop_at_eos = !given.has("--no-stop-at-eos");
  progress.show(0, "generating");
  const GenerateResult result = generate(*model, request);
  const std::string text = model->tokenizer().decode(result.ids, true);
  if (given.has("--json")) {
    print_json({{"ids", result.ids},
                {"text", text},
                {"plan", request.plan.name},
                {"query", to_string(request.plan.query)},
                {"prefill_ms", result.prefill_ms},
                {"decode_tokens_per_s", result.decode_tokens_per_s},
                {"kv_bytes", result.kv_bytes}});
    return 0;
  }
  std::cout << text << "\n\n"
            << result.ids.size() << " new tokens under " << request.plan.name << " (query "
            << to_string(request.plan.query) << "), prefill " << fixed(result.prefill_ms, 1)
            << " ms, " << fixed(result.decode_tokens_per_s, 0) << " tokens/s, "
            << bytes_text(result.kv_bytes) << " of keys and values after the cut\n";
  return 0;
}

constexpr Option kOptions[] = {
    kIdsOption,
    kPromptOption,
    kPromptFileOption,
    kTemplateOption,
    kSystemOption,
    kQuestionOption,
    kQuestionIdsOption,
    {"--plan", "P", "plan file or POLICY:BUDGET[+ALLOCATOR]; default full"},
    kSignalOption,
    kQueryOption,
    kHeadsOption,
    {"--max-new", "N", "most tokens to generate (default 32)"},
    {"--no-stop-at-eos", "", "go on after an end token"},
};

}  // namespace

const Word kGenerateWord = {"generate", "Greedy continuation of a prompt under a plan.", "",
                            kOptions, run};

}  // namespace polykv
