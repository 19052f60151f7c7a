// `inspect`: the pre-flight card of a model folder, without loading its weights.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "app/commands/options.h"
#include "app/commands/table.h"
#include "core/error.h"
#include "core/model/config.h"
#include "core/model/weights.h"

namespace polykv {
namespace {

constexpr std::int64_t kComputeBytes = 4;  // fp32

// MemAvailable of /proc/meminfo in bytes; 0 when unknown.
std::int64_t free_memory() {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("MemAvailable:")) return std::stoll(line.substr(13)) * 1024;
  }
  return 0;
}

std::int64_t count_parameters(const Weights& weights) {
  std::int64_t count = 0;
  for (const auto& file : weights.files()) {
    for (const auto& [name, tensor] : file->tensors()) {
      std::int64_t size = 1;
      for (const std::int64_t side : tensor.shape) size *= side;
      count += size;
    }
  }
  return count;
}

std::int64_t file_bytes(const Weights& weights) {
  std::int64_t bytes = 0;
  for (const auto& file : weights.files()) bytes += static_cast<std::int64_t>(file->bytes().size());
  return bytes;
}

Json make_card(const std::string& folder, const Options& given) {
  const ModelConfig config = read_config(folder);
  const ModelShape& shape = config.shape;
  const Weights weights(folder);
  const int tokens = given.integer("--tokens", shape.max_tokens, 1, shape.max_tokens);
  const std::int64_t parameters = count_parameters(weights);
  const std::int64_t weight_bytes = parameters * kComputeBytes;
  const std::int64_t kv_bytes =
      2LL * shape.layers * shape.kv_heads * shape.head_dim * tokens * kComputeBytes;
  const std::int64_t available = free_memory();
  return {{"supported", true},
          {"folder", folder},
          {"architecture", config.architecture},
          {"layers", shape.layers},
          {"query_heads", shape.query_heads},
          {"kv_heads", shape.kv_heads},
          {"head_dim", shape.head_dim},
          {"hidden", shape.hidden},
          {"vocab", shape.vocab},
          {"max_tokens", shape.max_tokens},
          {"rope", config.rope.kind},
          {"stored_dtype", config.stored_dtype},
          {"parameters", parameters},
          {"weight_file_bytes", file_bytes(weights)},
          {"weight_bytes", weight_bytes},
          {"tokens", tokens},
          {"kv_bytes", kv_bytes},
          {"free_bytes", available},
          {"fits", available == 0 || weight_bytes + kv_bytes <= available}};
}

void print_card(const Json& card) {
  const auto number = [&](const char* key) { return card[key].get<std::int64_t>(); };
  const auto count = [&](const char* key) { return std::to_string(number(key)); };
  const auto word = [&](const char* key) { return card[key].get<std::string>(); };
  Table table({word("folder"), ""});
  table.add({"architecture", word("architecture") + ", supported"});
  table.add({"layers", count("layers")});
  table.add({"heads", count("query_heads") + " query, " + count("kv_heads") + " kv, of " +
                          count("head_dim")});
  table.add({"vocabulary", count("vocab") + " tokens"});
  table.add({"positions", count("max_tokens") + " tokens, RoPE " + word("rope")});
  table.add({"parameters", count("parameters") + ", stored as " + word("stored_dtype")});
  table.add({"weights", bytes_text(number("weight_file_bytes")) + " on disk, " +
                            bytes_text(number("weight_bytes")) + " in memory (fp32)"});
  table.add({"keys and values",
             bytes_text(number("kv_bytes")) + " for " + count("tokens") + " tokens, full cache"});
  table.add({"free memory", bytes_text(number("free_bytes"))});
  table.print(std::cout, true);
}

int run(const Options& given) {
  const std::string folder = given.operands().front();
  if (!std::filesystem::is_directory(folder)) {
    fail_input(folder, "", "expected a Hugging Face model folder");
  }
  Json card;
  try {
    card = make_card(folder, given);
  } catch (const Error& error) {
    if (given.has("--json") && error.kind() == ErrorKind::input) {
      print_json({{"supported", false}, {"folder", folder}, {"reason", error.what()}});
    }
    throw;
  }
  if (given.has("--json")) {
    print_json(card);
  } else {
    print_card(card);
  }
  if (!card["fits"].get<bool>()) {
    throw Error(ErrorKind::failed, "refused: weights and keys and values need " +
                                       bytes_text(card["weight_bytes"].get<std::int64_t>() +
                                                  card["kv_bytes"].get<std::int64_t>()) +
                                       ", free memory is " +
                                       bytes_text(card["free_bytes"].get<std::int64_t>()));
  }
  return 0;
}

constexpr Option kOptions[] = {
    {"--tokens", "N", "tokens to plan keys and values for (default: the model's positions)"},
};

}  // namespace

const Word kInspectWord = {"inspect", "Whether a model folder can be opened, and what it needs.",
                           "DIR", kOptions, run};

}  // namespace polykv
