// `tokenize`: text to token ids and back.
#include <iostream>
#include <sstream>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/error.h"
#include "core/model/tokenizer.h"

namespace polykv {
namespace {

Json describe(const Tokenizer& tokenizer, const std::vector<int>& ids) {
  Json tokens = Json::array();
  for (const int id : ids) tokens.push_back(tokenizer.token(id));
  return {{"ids", ids}, {"tokens", tokens}, {"decoded", tokenizer.decode(ids)}};
}

std::vector<int> encode(const std::string& text, const Tokenizer& tokenizer, const Options& given) {
  const Templated whole = apply_template(given, model_folder(given), text);
  return tokenizer.encode(whole.text, whole.add_special && !given.has("--no-special"));
}

// One JSON object per line of {"text": ..} or {"ids": ..}.
void answer_lines(const std::string& path, const Tokenizer& tokenizer, const Options& given) {
  std::istringstream in(read_text_file(path));
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string origin = path + ": line " + std::to_string(++number);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const Json item = parse_json(line, origin);
    if (item.is_object() && item.contains("text") && item["text"].is_string()) {
      print_json(describe(tokenizer, encode(item["text"].get<std::string>(), tokenizer, given)));
    } else if (item.is_object() && item.contains("ids")) {
      refuse_template(given, "ids");
      print_json(describe(tokenizer, ids_of(item["ids"], origin)));
    } else {
      fail_input(origin, "", "expected {\"text\": \"...\"} or {\"ids\": [...]}");
    }
  }
}

int run(const Options& given) {
  const Tokenizer tokenizer = Tokenizer::read(model_folder(given));
  const std::string source =
      one_of(given, {"--prompt", "--prompt-file", "--ids", "--jsonl"}, "text or ids are missing");
  if (source == "--jsonl") {
    answer_lines(given.text("--jsonl"), tokenizer, given);
    return 0;
  }
  std::vector<int> ids;
  if (source == "--ids") {
    refuse_template(given, source);
    ids = read_ids(given.text("--ids"));
  } else {
    const std::string value = given.text(source);
    const std::string text = source == "--prompt" ? value : read_text_file(value);
    require_utf8(text, source == "--prompt" ? source : value);
    ids = encode(text, tokenizer, given);
  }
  if (given.has("--json")) {
    print_json(describe(tokenizer, ids));
    return 0;
  }
  Table table({"id", "token", "reads as"});
  for (const int id : ids) {
    table.add({std::to_string(id), tokenizer.token(id),
               Json(tokenizer.display(id)).dump(-1, ' ', false, Json::error_handler_t::replace)});
  }
  table.print(std::cout, true);
  return 0;
}

constexpr Option kOptions[] = {
    {"--prompt", "TEXT", "text to encode"},
    {"--prompt-file", "FILE", "file whose text to encode"},
    {"--ids", "FILE", "ids to decode: a JSON array, or an object with \"ids\""},
    {"--jsonl", "FILE", "lines of {\"text\": ..} or {\"ids\": ..}; one answer per line"},
    kTemplateOption,
    kSystemOption,
    {"--no-special", "", "do not add the begin token and its like"},
};

}  // namespace

const Word kTokenizeWord = {"tokenize", "Text to token ids and back.", "", kOptions, run};

}  // namespace polykv
