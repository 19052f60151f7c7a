#include "core/plan/params.h"

#include <cmath>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "core/error.h"
#include "core/suggest.h"

namespace polykv {
namespace {

const ParamSpec* find_spec(std::span<const ParamSpec> specs, const std::string& name) {
  for (const ParamSpec& spec : specs) {
    if (name == spec.name) return &spec;
  }
  return nullptr;
}

template <typename T>
T value_of(const Params& given, std::span<const ParamSpec> specs, const std::string& name) {
  const ParamSpec* spec = find_spec(specs, name);
  if (spec == nullptr) throw std::logic_error("no parameter is named '" + name + "'");
  const auto found = given.find(name);
  const ParamValue& value = found == given.end() ? spec->start : found->second;
  const T* typed = std::get_if<T>(&value);
  if (typed == nullptr) throw std::logic_error("parameter '" + name + "' has another type");
  return *typed;
}

std::string in_words(double number) {
  std::ostringstream out;
  out.precision(12);
  out << number;
  return out.str();
}

std::string in_words(const ParamValue& value) {
  if (const double* number = std::get_if<double>(&value)) return in_words(*number);
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return "'" + std::get<std::string>(value) + "'";
}

std::vector<std::string> split_choices(const char* choices) {
  std::vector<std::string> words;
  std::istringstream in(choices);
  for (std::string word; std::getline(in, word, '|');) words.push_back(word);
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string expectation(const ParamSpec& spec) {
  switch (spec.kind) {
    case ParamKind::integer:
      return "an integer from " + in_words(spec.low) + " to " + in_words(spec.high);
    case ParamKind::number:
      return "a number from " + in_words(spec.low) + " to " + in_words(spec.high);
    case ParamKind::flag:
      return "true or false";
    case ParamKind::choice:
      return "one of " + joined(split_choices(spec.choices));
    case ParamKind::text:
      return "a text";
  }
  return "";
}

bool fits(const ParamValue& value, const ParamSpec& spec) {
  if (spec.kind == ParamKind::flag) return std::holds_alternative<bool>(value);
  if (spec.kind == ParamKind::text) return std::holds_alternative<std::string>(value);
  if (spec.kind == ParamKind::choice) {
    const std::string* word = std::get_if<std::string>(&value);
    if (word == nullptr) return false;
    for (const std::string& choice : split_choices(spec.choices)) {
      if (*word == choice) return true;
    }
    return false;
  }
  const double* number = std::get_if<double>(&value);
  if (number == nullptr || !(*number >= spec.low && *number <= spec.high)) return false;
  return spec.kind == ParamKind::number || *number == std::floor(*number);
}

}  // namespace

double number_param(const Params& given, std::span<const ParamSpec> specs,
                    const std::string& name) {
  return value_of<double>(given, specs, name);
}

int integer_param(const Params& given, std::span<const ParamSpec> specs, const std::string& name) {
  return static_cast<int>(value_of<double>(given, specs, name));
}

bool flag_param(const Params& given, std::span<const ParamSpec> specs, const std::string& name) {
  return value_of<bool>(given, specs, name);
}

std::string choice_param(const Params& given, std::span<const ParamSpec> specs,
                         const std::string& name) {
  return value_of<std::string>(given, specs, name);
}

std::string text_param(const Params& given, std::span<const ParamSpec> specs,
                       const std::string& name) {
  return value_of<std::string>(given, specs, name);
}

void check_params(const Params& given, std::span<const ParamSpec> specs, const std::string& where) {
  for (const auto& [name, value] : given) {
    const ParamSpec* spec = find_spec(specs, name);
    if (spec == nullptr) {
      std::vector<std::string> known;
      for (const ParamSpec& each : specs) known.push_back(each.name);
      const std::string nearest = nearest_word(name, known);
      std::string hint = known.empty() ? "there are none" : "known are " + joined(known);
      if (!nearest.empty()) hint = "nearest is '" + nearest + "'";
      fail_input(where, "", "parameter '" + name + "' is unknown, " + hint);
    }
    if (!fits(value, *spec)) {
      fail_input(
          where, "",
          "parameter '" + name + "' must be " + expectation(*spec) + ", found " + in_words(value));
    }
  }
}

}  // namespace polykv
