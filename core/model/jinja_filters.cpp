// Methods, filters and tests.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/model/jinja_words.h"

namespace polykv::jinja {
namespace {

using Kind = Value::Kind;

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<signed char>(c) >= 0; });
}
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

List split_at(const std::string& text, const std::string& separator, std::int64_t most) {
  List parts;
  std::size_t from = 0;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const std::size_t at = text.find(separator, from);
    if (at == std::string::npos) break;
    parts.push_back(Value::string(text.substr(from, at - from)));
    from = at + separator.size();
  }
  parts.push_back(Value::string(text.substr(from)));
  return parts;
}

List rsplit_at(const std::string& text, const std::string& separator, std::int64_t most) {
  List parts;
  std::size_t end = text.size();
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    if (end < separator.size()) break;
    const std::size_t at = text.rfind(separator, end - separator.size());
    if (at == std::string::npos) break;
    parts.push_back(Value::string(text.substr(at + separator.size(), end - at - separator.size())));
    end = at;
  }
  parts.push_back(Value::string(text.substr(0, end)));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

List split_at_space(const std::string& text) {
  List parts;
  std::string word;
  for (const std::string& character : characters(text)) {
    if (!is_space(character)) {
      word += character;
    } else if (!word.empty()) {
      parts.push_back(Value::string(std::move(word)));
      word.clear();
    }
  }
  if (!word.empty()) parts.push_back(Value::string(std::move(word)));
  return parts;
}

Value pairs_of(const Dict& dict) {
  List pairs;
  for (const auto& [key, value] : dict) {
    pairs.push_back(Value::from(List{Value::string(key), value}));
  }
  return Value::from(std::move(pairs));
}

bool holds_json(const Value& value) {  // what to_json can write
  if (value.is(Kind::list)) return std::all_of(value.list->begin(), value.list->end(), holds_json);
  if (value.is(Kind::dict)) {
    return std::all_of(value.dict->begin(), value.dict->end(),
                       [](const auto& entry) { return holds_json(entry.second); });
  }
  return value.is(Kind::none) || value.is(Kind::boolean) || value.is(Kind::integer) ||
         value.is(Kind::text);
}

}  // namespace

void Words::check_length(const std::string& text, int line) const {
  if (text.size() > kMostBytes) fail(line, "a text of more than 64 MiB is not supported");
}

std::string Words::cased(const std::string& text, const std::string& how, int line) const {
  if (!is_ascii(text)) fail(line, how + " of text beyond ASCII is not supported");
  std::string out = text;
  bool at_start = true;
  for (char& c : out) {
    c = how == "upper" || (how != "lower" && at_start) ? upper(c) : lower(c);
    at_start = how == "title" && upper(c) == lower(c);  // no letter: the next begins a word
  }
  return out;
}

std::string Words::replaced(const std::string& text, const List& given, int line) const {
  const std::string& before = text_of(given[0], line, "replace");
  const std::string& after = text_of(given[1], line, "replace");
  std::int64_t most = -1;
  if (given.size() > 2) {
    if (!given[2].is(Kind::integer)) fail(line, "replace: the count is no whole number");
    most = given[2].integer;
  }
  if (before.empty()) fail(line, "replace of an empty string is not supported");
  std::string out;
  for (const Value& part : split_at(text, before, most)) {
    out += part.text + after;
    check_length(out, line);
  }
  out.resize(out.size() - after.size());
  return out;
}

Value Words::text_method(const std::string& text, const std::string& name, const Arguments& given,
                         int line) const {
  const std::string what = "." + name + "()";
  const auto argument = [&](std::size_t i) -> const std::string& {
    return text_of(given.values[i], line, what);
  };
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    check(line, given, 0, 1, what);
    if (!given.values.empty() && argument(0).empty()) return Value::string(text);
    return Value::string(stripped(text, given.values.empty() ? "" : argument(0), name != "rstrip",
                                  name != "lstrip"));
  }
  if (name == "startswith" || name == "endswith") {
    check(line, given, 1, 1, what);
    return Value::boolean(name == "startswith" ? text.starts_with(argument(0))
                                               : text.ends_with(argument(0)));
  }
  if (name == "split" || name == "rsplit") {
    check(line, given, 0, 2, what);
    if (given.values.empty() || given.values[0].is(Kind::none)) {
      if (given.values.size() > 1)
        fail(line, what + " at white space with a count is not supported");
      return Value::from(split_at_space(text));
    }
    if (argument(0).empty()) fail(line, what + " at an empty string");
    std::int64_t most = -1;
    if (given.values.size() > 1) {
      if (!given.values[1].is(Kind::integer)) fail(line, what + ": the count is no whole number");
      most = given.values[1].integer;
    }
    return Value::from(name == "split" ? split_at(text, argument(0), most)
                                       : rsplit_at(text, argument(0), most));
  }
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize") {
    check(line, given, 0, 0, what);
    return Value::string(cased(text, name, line));
  }
  if (name == "replace") {
    check(line, given, 2, 3, what);
    return Value::string(replaced(text, given.values, line));
  }
  if (name == "join") {
    check(line, given, 1, 1, what);
    std::string out;
    bool is_first = true;
    for (const Value& item : items_of(given.values[0], line)) {
      out += (is_first ? "" : text) + text_of(item, line, what);
      check_length(out, line);
      is_first = false;
    }
    return Value::string(std::move(out));
  }
  fail(line, what + " of a string is not supported");
}

Value Words::method(const Value& of, const std::string& name, const Arguments& given,
                    int line) const {
  const std::string what = "." + name + "()";
  if (of.is(Kind::undefined)) fail(line, "'" + of.text + "' is undefined, " + what + " was asked");
  if (of.is(Kind::text)) return text_method(of.text, name, given, line);
  if (of.is(Kind::dict)) {
    if (name == "get") {
      check(line, given, 1, 2, what);
      const Value* found = find(*of.dict, text_of(given.values[0], line, what));
      if (found != nullptr) return *found;
      return given.values.size() > 1 ? given.values[1] : Value::none();
    }
    if (name == "items" || name == "keys" || name == "values") {
      check(line, given, 0, 0, what);
      if (name == "items") return pairs_of(*of.dict);
      List list;
      for (const auto& [key, value] : *of.dict) {
        list.push_back(name == "keys" ? Value::string(key) : value);
      }
      return Value::from(std::move(list));
    }
  }
  fail(line, what + " of " + kind_name(of) + " is not supported");
}

// selectattr and rejectattr: (list, name[, test[, its argument]])
Value Words::chosen(const Arguments& given, bool wanted, int line) const {
  check(line, given, 2, 4, "selectattr");
  const std::string& name = text_of(given.values[1], line, "selectattr");
  if (name.find('.') != std::string::npos) fail(line, "selectattr with '.' is not supported");
  List out;
  for (const Value& one : items_of(given.values[0], line)) {
    const Value value = item(one, Value::string(name), line);
    bool holds = truth(value);
    if (given.values.size() > 2) {
      List asked = {value};
      if (given.values.size() > 3) asked.push_back(given.values[3]);
      holds = test(text_of(given.values[2], line, "selectattr"), asked, line);
    }
    if (holds == wanted) out.push_back(one);
  }
  return Value::from(std::move(out));
}

Value Words::filter(const std::string& name, const Arguments& given, int line) const {
  const std::string what = "the filter " + name;
  const Value& value = given.values[0];
  const List rest(given.values.begin() + 1, given.values.end());
  if (name == "tojson") {
    int indent = -1;
    for (const auto& [key, argument] : given.named) {
      if (key != "indent" || !argument.is(Kind::integer) || argument.integer < 0 ||
          argument.integer > 8) {
        fail(line, what + ": the argument '" + key + "' is not supported");
      }
      indent = static_cast<int>(argument.integer);
    }
    if (!rest.empty()) fail(line, what + " with a value in brackets is not supported");
    if (!holds_json(value)) fail(line, what + " of " + kind_name(value) + " is not supported");
    return Value::string(to_json(value, indent));
  }
  if (name == "map") {
    if (given.values.size() != 1 || given.named.size() != 1 ||
        given.named[0].first != "attribute") {
      fail(line, what + " is supported with attribute= alone");
    }
    List out;
    for (const Value& one : items_of(value, line))
      out.push_back(item(one, given.named[0].second, line));
    return Value::from(std::move(out));
  }
  if (name == "selectattr" || name == "rejectattr")
    return chosen(given, name == "selectattr", line);
  if (name == "default" || name == "d") {
    check(line, given, 1, 3, what);
    const bool is_missing =
        value.is(Kind::undefined) || (rest.size() > 1 && truth(rest[1]) && !truth(value));
    return !is_missing ? value : rest.empty() ? Value::string("") : rest[0];
  }
  if (name == "replace") {
    check(line, given, 3, 4, what);
    return Value::string(replaced(shown(value, line), rest, line));
  }
  if (name == "join") {
    check(line, given, 1, 2, what);
    std::string out;
    bool is_first = true;
    for (const Value& one : items_of(value, line)) {
      out += (is_first || rest.empty() ? "" : text_of(rest[0], line, what)) + shown(one, line);
      check_length(out, line);
      is_first = false;
    }
    return Value::string(std::move(out));
  }
  if (name == "trim") {
    check(line, given, 1, 2, what);
    const std::string which = rest.empty() ? "" : text_of(rest[0], line, what);
    const std::string text = shown(value, line);
    return Value::string(!rest.empty() && which.empty() ? text : stripped(text, which, true, true));
  }
  check(line, given, 1, 1, what);
  if (name == "upper" || name == "lower" || name == "capitalize") {
    return Value::string(cased(shown(value, line), name, line));
  }
  if (name == "string") return Value::string(shown(value, line));
  if (name == "safe") return value;
  if (name == "list") return Value::from(items_of(value, line));
  if (name == "items") {
    if (value.is(Kind::undefined)) return Value::from(List{});
    if (!value.is(Kind::dict)) fail(line, what + " of " + kind_name(value) + " is not possible");
    return pairs_of(*value.dict);
  }
  if (name == "length" || name == "count") {
    return Value::number(static_cast<std::int64_t>(items_of(value, line).size()));
  }
  if (name == "first" || name == "last") {
    const List items = items_of(value, line);
    if (items.empty()) return Value::undefined(name + " of nothing");
    return name == "first" ? items.front() : items.back();
  }
  if (name == "reverse") {
    List items = items_of(value, line);
    std::reverse(items.begin(), items.end());
    if (!value.is(Kind::text)) return Value::from(std::move(items));
    std::string text;
    for (const Value& one : items) text += one.text;
    return Value::string(std::move(text));
  }
  if (name == "int") {
    if (value.is(Kind::integer) || value.is(Kind::boolean)) return Value::number(value.integer);
    if (value.is(Kind::real) && std::abs(value.real) < 1e15) {
      return Value::number(static_cast<std::int64_t>(value.real));
    }
    fail(line, what + " of " + kind_name(value) + " is not supported");
  }
  fail(line, what + " is not supported");
}

bool Words::test(const std::string& name, const List& given, int line) const {
  const Value& value = given[0];
  const bool takes_one = name == "equalto" || name == "eq" || name == "ne" || name == "in" ||
                         name == "divisibleby" || name == "==" || name == "!=";
  if (given.size() != (takes_one ? 2u : 1u)) {
    fail(line, "the test " + name + " with so many arguments is not supported");
  }
  if (name == "defined") return !value.is(Kind::undefined);
  if (name == "undefined") return value.is(Kind::undefined);
  if (name == "none") return value.is(Kind::none);
  if (name == "string") return value.is(Kind::text);
  if (name == "mapping") return value.is(Kind::dict);
  if (name == "boolean") return value.is(Kind::boolean);
  if (name == "true" || name == "false") {
    return value.is(Kind::boolean) && (value.integer != 0) == (name == "true");
  }
  if (name == "integer") return value.is(Kind::integer);
  if (name == "float") return value.is(Kind::real);
  if (name == "number") {
    return value.is(Kind::integer) || value.is(Kind::real) || value.is(Kind::boolean);
  }
  if (name == "iterable" || name == "sequence") {
    return value.is(Kind::list) || value.is(Kind::dict) || value.is(Kind::text) ||
           value.is(Kind::undefined);
  }
  if (name == "equalto" || name == "eq" || name == "==") return equal(value, given[1]);
  if (name == "ne" || name == "!=") return !equal(value, given[1]);
  if (name == "in") return contains(given[1], value, line);
  if (name == "odd" || name == "even" || name == "divisibleby") {
    const Value by = name == "divisibleby" ? given[1] : Value::number(2);
    const bool divides = equal(binary("%", value, by, line), Value::number(0));
    return divides == (name != "odd");
  }
  fail(line, "the test " + name + " is not supported");
}

}  // namespace polykv::jinja
