// `inspect`: the pre-flight card of a model folder, without loading its weights.
#include <iostream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/model/chat_template.h"
#include "core/model/dtype.h"
#include "core/model/preflight.h"
#include "core/text.h"

namespace polykv {
namespace {

std::string verdict(const FolderFacts& facts, const Preflight& card) {
  return !facts.supported() ? "not supported" : card.fits ? "fits" : "does not fit";
}

Json card_json(const FolderFacts& facts, const MemoryPlan& plan, const Preflight& card,
               const ChatVerdict& chat) {
  const ModelConfig& config = facts.config;
  const ModelShape& shape = config.shape;
  return {
      {"supported", true},
      {"verdict", verdict(facts, card)},
      {"reason", card.reason},
      {"folder", facts.folder},
      {"architecture", config.architecture},
      {"layers", shape.layers},
      {"query_heads", shape.query_heads},
      {"kv_heads", shape.kv_heads},
      {"head_dim", shape.head_dim},
      {"hidden", shape.hidden},
      {"vocab", shape.vocab},
      {"max_tokens", shape.max_tokens},
      {"windowed_layers", card.windowed_layers},
      {"window", card.window},
      {"rope", config.rope.kind},
      {"stored_dtype", config.stored_dtype},
      {"chat_template", {{"present", chat.present}, {"runs", chat.runs}, {"reason", chat.reason}}},
      {"parameters", facts.parameters},
      {"weight_file_bytes", facts.file_bytes},
      {"dtype", dtype_name(plan.dtype)},
      {"weight_bytes", card.need.weights},
      {"tokens", plan.tokens},
      {"cases", plan.cases},
      {"kv_bytes", card.need.cache},
      {"cache_bytes", card.need.caches},
      {"capture_bytes", card.need.capture},
      {"working_bytes", card.need.working},
      {"needed_bytes", card.need.total},
      {"free_bytes", plan.free_bytes},
      {"fits", card.fits}};
}

void print_card(const FolderFacts& facts, const MemoryPlan& plan, const Preflight& card,
                const ChatVerdict& chat) {
  const ModelConfig& config = facts.config;
  const ModelShape& shape = config.shape;
  const std::string for_cases = " for " + count_text(plan.cases) +
                                (plan.cases == 1 ? " case of " : " cases of ") +
                                count_text(plan.tokens) + " tokens";
  Table table({facts.folder, ""});
  table.add({"architecture", config.architecture + ", supported"});
  table.add({"layers", std::to_string(shape.layers)});
  table.add({"heads", std::to_string(shape.query_heads) + " query, " +
                          std::to_string(shape.kv_heads) + " kv, of " +
                          std::to_string(shape.head_dim)});
  table.add({"vocabulary", count_text(shape.vocab) + " tokens"});
  table.add({"positions", count_text(shape.max_tokens) + " tokens, RoPE " + config.rope.kind});
  if (card.windowed_layers > 0) table.add({"window", window_text(config, card)});
  table.add({"chat template", !chat.present ? "none"
                              : chat.runs   ? "there, can be run"
                                            : "cannot be run: " + chat.reason});
  table.add({"parameters", count_text(facts.parameters) + ", stored as " + config.stored_dtype +
                               " in " + bytes_text(facts.file_bytes)});
  table.add({"weights", bytes_text(card.need.weights) + " in " + dtype_name(plan.dtype)});
  table.add({"full cache", bytes_text(card.need.caches) + for_cases});
  table.add({"capture", bytes_text(card.need.capture) + for_cases});
  table.add({"working memory", bytes_text(card.need.working)});
  table.add({"needed", bytes_text(card.need.total)});
  table.add({"free", plan.free_bytes > 0 ? bytes_text(plan.free_bytes) : "unknown"});
  table.add({"verdict", verdict(facts, card)});
  table.print(std::cout, true);
}

int run(const Options& given) {
  const FolderFacts facts = read_facts(given.operands().front());
  if (!facts.supported()) {
    if (given.has("--json")) {
      print_json({{"supported", false},
                  {"verdict", verdict(facts, {})},
                  {"folder", facts.folder},
                  {"reason", facts.unsupported}});
    }
    throw Error(ErrorKind::input, facts.unsupported);
  }
  const int most = facts.config.shape.max_tokens;
  MemoryPlan plan;
  plan.tokens = given.integer("--tokens", std::min(plan.tokens, most), 1, most);
  plan.cases = given.integer("--cases", plan.cases, 1, 100'000);
  plan.dtype = dtype_option(given).value_or(facts.default_dtype);
  plan.free_bytes = free_memory_bytes();
  const Preflight card = preflight(facts.config, plan);
  const ChatVerdict chat = inspect_chat_template(facts.folder);
  if (given.has("--json")) {
    print_json(card_json(facts, plan, card, chat));
  } else {
    print_card(facts, plan, card, chat);
  }
  if (!card.fits) throw Error(ErrorKind::failed, card.reason);
  return 0;
}

constexpr Option kOptions[] = {
    {"--tokens", "N", "tokens of a case (default 1024, or the model's positions)"},
    {"--cases", "N", "cases the studio is to hold (default 16, as the window opens)"},
};

}  // namespace

const Word kInspectWord = {"inspect", "Whether a model folder can be opened, and what it needs.",
                           "DIR", kOptions, run};

}  // namespace polykv
