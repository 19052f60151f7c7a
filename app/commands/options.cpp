#include "app/commands/options.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "core/error.h"
#include "core/suggest.h"

namespace polykv {
namespace {

constexpr Option kHelp = {"--help", "", "this text"};
constexpr Option kShared[] = {
    {"--model", "DIR", "Hugging Face folder; without it the embedded model"},
    {"--json", "", "one JSON object on standard output"},
    {"--seed", "N", "seed of everything drawn at random"},
    {"--threads", "N", "processor threads, 0 = all (default)"},
    {"--dtype", "fp32|bf16|fp16",
     "type weights are kept in (default fp32 up to 4 GiB, else stored)"},
    {"--device", "cpu|cuda", "where to compute (default cpu)"},
};

std::vector<Option> options_of(const Word& word) {
  std::vector<Option> all(word.options.begin(), word.options.end());
  if (*word.name != '\0') all.insert(all.end(), std::begin(kShared), std::end(kShared));
  all.push_back(kHelp);
  return all;
}

[[noreturn]] void fail_usage(const std::string& sentence) {
  throw Error(ErrorKind::usage, sentence);
}

template <class Number>
Number parse_number(const std::string& name, const std::string& text, Number low, Number high) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high) {
    return value;
  }
  std::ostringstream sentence;
  sentence << name << ": expected " << (std::is_integral_v<Number> ? "an integer" : "a number")
           << " from " << low << " to " << high << ", not '" << text << "'";
  fail_usage(sentence.str());
}

template <class Number>
std::vector<Number> parse_list(const std::string& name, const std::string& text, Number low,
                               Number high) {
  std::vector<Number> values;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    values.push_back(parse_number(name, part, low, high));
  }
  if (values.empty()) fail_usage(name + ": expected numbers separated by commas");
  return values;
}

}  // namespace

Options::Options(const Word& word, const std::vector<std::string>& arguments) : word_(word) {
  const std::vector<Option> known = options_of(word);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.empty() || argument[0] != '-' || argument == "-") {
      operands_.push_back(argument);
      continue;
    }
    const std::size_t equals = argument.find('=');
    const std::string name = argument == "-h" ? "--help" : argument.substr(0, equals);
    const auto option =
        std::find_if(known.begin(), known.end(), [&](const Option& o) { return name == o.name; });
    if (option == known.end()) {
      std::vector<std::string> names;
      for (const Option& o : known) names.push_back(o.name);
      fail_usage("unknown option '" + name + "'" + did_you_mean(name, names));
    }
    const bool is_switch = *option->value == '\0';
    if (equals != std::string::npos) {
      if (is_switch) fail_usage(name + " takes no value");
      given_[name].push_back(argument.substr(equals + 1));
    } else if (is_switch) {
      given_[name].push_back("");
    } else {
      if (i + 1 == arguments.size() || arguments[i + 1].starts_with("--")) {
        fail_usage(name + " needs a value: " + name + " " + option->value);
      }
      given_[name].push_back(arguments[++i]);
    }
  }
  if (wants_help()) return;
  const std::string operands = word.operands;
  const std::size_t wanted = operands.empty() ? 0 : 1;
  if (operands_.size() > wanted && !operands.ends_with("..."))
    fail_usage("one word too many: '" + operands_[wanted] + "'");
  if (operands_.size() < wanted) fail_usage(std::string(word.operands) + " is missing");
}

std::string Options::text(const std::string& name, const std::string& otherwise) const {
  const auto found = given_.find(name);
  return found == given_.end() ? otherwise : found->second.back();
}

std::vector<std::string> Options::all(const std::string& name) const {
  const auto found = given_.find(name);
  return found == given_.end() ? std::vector<std::string>{} : found->second;
}

int Options::integer(const std::string& name, int otherwise, int low, int high) const {
  return has(name) ? parse_number(name, text(name), low, high) : otherwise;
}

double Options::number(const std::string& name, double otherwise, double low, double high) const {
  return has(name) ? parse_number(name, text(name), low, high) : otherwise;
}

std::uint64_t Options::seed(std::uint64_t otherwise) const {
  if (!has("--seed")) return otherwise;
  return parse_number<std::uint64_t>("--seed", text("--seed"), 0, UINT64_MAX);
}

std::string Options::choice(const std::string& name, const std::string& otherwise,
                            const std::vector<std::string>& words) const {
  const std::string word = text(name, otherwise);
  if (std::find(words.begin(), words.end(), word) != words.end()) return word;
  std::string known;
  for (const std::string& w : words) known += (known.empty() ? "" : ", ") + w;
  fail_usage(name + ": expected one of " + known + ", not '" + word + "'" +
             did_you_mean(word, words));
}

std::vector<int> Options::integers(const std::string& name, const std::string& otherwise, int low,
                                   int high) const {
  return parse_list(name, text(name, otherwise), low, high);
}

std::vector<double> Options::numbers(const std::string& name, const std::string& otherwise,
                                     double low, double high) const {
  return parse_list(name, text(name, otherwise), low, high);
}

void Options::require(const std::string& name) const {
  if (!has(name)) fail_usage(name + " is missing");
}

std::string help_text(const Word& word) {
  std::ostringstream out;
  const std::vector<Option> options = options_of(word);
  out << "usage: " << kProgram;
  if (*word.name != '\0') out << " " << word.name;
  if (*word.operands != '\0') out << " " << word.operands;
  out << " [options]\n\n" << word.summary << "\n";
  if (*word.notes != '\0') out << "\n" << word.notes << "\n";
  out << "\noptions:\n";
  std::size_t width = 0;
  const auto label = [](const Option& o) { return std::string(o.name) + " " + o.value; };
  for (const Option& o : options) width = std::max(width, label(o).size());
  for (const Option& o : options) {
    std::string left = label(o);
    left.resize(width, ' ');
    out << "  " << left << "  " << o.help << "\n";
  }
  return out.str();
}

}  // namespace polykv
