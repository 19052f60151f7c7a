#include "core/probe/case.h"

#include <algorithm>
#include <limits>
#include <span>

#include "core/error.h"
#include "core/files.h"
#include "core/sha256.h"

namespace polykv {
namespace {

// One line of a case file; `origin` is "FILE line N", the first part of every error sentence.
class CaseLine {
 public:
  CaseLine(const std::string& line, const std::string& origin, const Tokenizer& tokenizer)
      : json_(Json::parse(line, nullptr, /*allow_exceptions=*/false)),
        origin_(origin),
        tokenizer_(tokenizer) {
    if (!json_.is_object()) fail_input(origin_, "", "must be one JSON object on a line of its own");
  }

  Case read() const {
    Case read;
    read.context = ids("context", /*add_special=*/true);
    read.question = ids("question", false);
    read.answer = ids("answer", false);
    read.needles = spans(static_cast<int>(read.context.size()));
    if (const Json* task = find("task")) {
      if (!task->is_string()) fail("task", "must be a text");
      read.task = task->get<std::string>();
    }
    if (const Json* depth = find("depth")) {
      if (!depth->is_number() || !(*depth >= 0 && *depth <= 1))
        fail("depth", "must be a number from 0 to 1");
      read.depth = depth->get<double>();
    } else if (!read.needles.empty()) {
      read.depth = realised_depth(read);
    }
    if (const Json* keys = find("keys")) {
      if (!whole_number(*keys, 1, std::numeric_limits<int>::max()))
        fail("keys", "must be a whole number of at least 1");
      read.keys = keys->get<int>();
    }
    if (const Json* seed = find("seed")) {
      if (!seed->is_number_unsigned()) fail("seed", "must be a whole number of at least 0");
      read.seed = seed->get<std::uint64_t>();
    }
    return read;
  }

 private:
  [[noreturn]] void fail(const std::string& key, const std::string& expectation) const {
    fail_input(origin_, key, expectation);
  }

  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }

  static bool whole_number(const Json& value, int least, int most) {
    return value.is_number_integer() && value >= least && value <= most;
  }

  // A text, encoded, or ids as they are; never empty.
  std::vector<int> ids(const char* key, bool add_special) const {
    const Json* value = find(key);
    if (value == nullptr) fail(key, "is missing; it must be a text or a list of token ids");
    if (!value->is_string() && !value->is_array())
      fail(key, "must be a text or a list of token ids");
    if (value->is_string() ? value->get_ref<const std::string&>().empty() : value->empty())
      fail(key, "must not be empty");
    if (value->is_string()) return tokenizer_.encode(value->get<std::string>(), add_special);

    std::vector<int> read;
    for (const Json& id : *value) {
      if (!whole_number(id, 0, tokenizer_.size() - 1))
        fail(key, "token ids must be whole numbers from 0 to " +
                      std::to_string(tokenizer_.size() - 1) + "; number " +
                      std::to_string(read.size() + 1) + " is not");
      read.push_back(id.get<int>());
    }
    return read;
  }

  std::vector<Span> spans(int context) const {
    const Json* needles = find("needles");
    if (needles == nullptr) return {};
    if (!needles->is_array()) fail("needles", "must be a list of [first, last] positions");
    std::vector<Span> read;
    for (const Json& pair : *needles) {
      if (!pair.is_array() || pair.size() != 2 || !whole_number(pair[0], 0, context - 1) ||
          !whole_number(pair[1], 0, context - 1) || pair[0] > pair[1])
        fail("needles", "must be pairs of first <= last within the " + std::to_string(context) +
                            " context tokens; number " + std::to_string(read.size() + 1) +
                            " is not");
      read.push_back({pair[0].get<int>(), pair[1].get<int>()});
    }
    return read;
  }

  const Json json_;
  const std::string origin_;
  const Tokenizer& tokenizer_;
};

Json line_of(const Case& each, const Tokenizer& tokenizer) {
  Json needles = Json::array();
  for (const Span& span : each.needles) needles.push_back({span.first, span.last});
  std::string needle_text;  // for people: what the first span reads as, without leading spaces
  const int context = static_cast<int>(each.context.size());
  if (!each.needles.empty()) {
    const Span span = each.needles.front();
    if (span.first >= 0 && span.first <= span.last && span.last < context)
      needle_text =
          tokenizer.decode(std::span(each.context).subspan(span.first, span.last - span.first + 1));
    needle_text.erase(0, needle_text.find_first_not_of(' '));
  }
  return {{"context", each.context}, {"question", each.question},  {"answer", each.answer},
          {"needles", needles},      {"needle_text", needle_text}, {"task", each.task},
          {"depth", each.depth},     {"keys", each.keys},          {"seed", each.seed}};
}

}  // namespace

double realised_depth(const Case& each) {
  const Span asked = each.needles.front();
  const int others = static_cast<int>(each.context.size()) - (asked.last - asked.first + 1);
  return others == 0 ? 0 : static_cast<double>(asked.first) / others;
}

std::vector<Case> read_cases(const std::string& path, const Tokenizer& tokenizer) {
  const std::string text = read_text_file(path);
  std::vector<Case> cases;
  std::size_t at = 0;
  for (int number = 1; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    cases.push_back(CaseLine(line, path + " line " + std::to_string(number), tokenizer).read());
  }
  if (cases.empty()) fail_input(path, "", "must hold at least one case, one JSON object a line");
  return cases;
}

void write_cases(const std::string& path, const std::vector<Case>& cases,
                 const Tokenizer& tokenizer) {
  std::string text;
  for (const Case& each : cases) {
    const std::string line =
        line_of(each, tokenizer).dump(-1, ' ', false, Json::error_handler_t::replace);
    // What is written must read back: a bad id or span is better found here than by the reader.
    CaseLine(line, path + " line " + std::to_string(&each - cases.data() + 1), tokenizer).read();
    text += line + "\n";
  }
  write_file_atomic(path, text);
}

std::string case_set_fingerprint(const std::vector<Case>& cases) {
  Sha256 sum;
  for (const Case& one : cases) {
    for (const std::vector<int>* part : {&one.context, &one.question, &one.answer}) {
      for (const int id : *part) sum.add(std::to_string(id) + " ");
      sum.add("|");
    }
    sum.add("\n");
  }
  return "sha256:" + sum.hex();
}

}  // namespace polykv
