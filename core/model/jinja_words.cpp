// Operators, attributes, functions.
#include "core/model/jinja_words.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace polykv::jinja {
namespace {

using Kind = Value::Kind;

constexpr std::int64_t kMostItems = 100'000;
constexpr int kDeepest = 50;

bool is_whole(const Value& value) { return value.is(Kind::integer) || value.is(Kind::boolean); }
bool is_number(const Value& value) { return is_whole(value) || value.is(Kind::real); }
double real_of(const Value& value) {
  return value.is(Kind::real) ? value.real : static_cast<double>(value.integer);
}
Value real(double number) {
  Value value;
  value.kind = Kind::real;
  value.real = number;
  return value;
}

// Python rounds towards minus infinity.
std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - ((a % b != 0 && (a % b < 0) != (b < 0)) ? 1 : 0);
}

// Names that Python's own types answer to; a key of that name is not what '.' gives.
bool is_method(const Value& of, const std::string& name) {
  static constexpr const char* kDict[] = {"clear",      "copy",   "fromkeys", "get",
                                          "items",      "keys",   "pop",      "popitem",
                                          "setdefault", "update", "values"};
  const auto among = [&](const auto& names) {
    return std::any_of(std::begin(names), std::end(names),
                       [&](const char* one) { return name == one; });
  };
  return of.is(Kind::dict) && among(kDict);
}

}  // namespace

void Words::check_inside(const Value& value, int line) const {
  if (value.is(Kind::space)) fail(line, "a namespace inside another value is not supported");
  if (value.depth > kDeepest) fail(line, "values nested more than 50 deep are not supported");
}

Value Words::global(const std::string& name) const {
  for (const char* known : {"raise_exception", "strftime_now", "namespace", "range", "dict"}) {
    if (name == known) return Value::function(name);
  }
  for (const char* known : {"lipsum", "cycler", "joiner"}) {  // Jinja has them, nobody here does
    if (name == known) return Value::function(name);
  }
  return Value::undefined(name);
}

std::string Words::shown(const Value& value, int line) const {
  switch (value.kind) {
    case Kind::undefined:
      return "";
    case Kind::none:
      return "None";
    case Kind::boolean:
      return value.integer != 0 ? "True" : "False";
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::text:
      return value.text;
    default:
      fail(line, std::string("writing ") + kind_name(value) + " is not supported");
  }
}

List Words::items_of(const Value& value, int line) const {
  List items;
  switch (value.kind) {
    case Kind::undefined:
      return items;
    case Kind::list:
      return *value.list;
    case Kind::dict:
      for (const auto& [key, one] : *value.dict) items.push_back(Value::string(key));
      return items;
    case Kind::text:
      for (std::string& one : characters(value.text))
        items.push_back(Value::string(std::move(one)));
      return items;
    default:
      fail(line, std::string("going through ") + kind_name(value) + " is not possible");
  }
}

bool Words::contains(const Value& container, const Value& value, int line) const {
  if (container.is(Kind::text)) {
    return container.text.find(text_of(value, line, "in")) != std::string::npos;
  }
  if (container.is(Kind::dict)) {
    return value.is(Kind::text) && find(*container.dict, value.text) != nullptr;
  }
  const List items = items_of(container, line);
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& item) { return equal(item, value); });
}

Value Words::binary(const std::string& op, const Value& a, const Value& b, int line) const {
  if (op == "==") return Value::boolean(equal(a, b));
  if (op == "!=") return Value::boolean(!equal(a, b));
  if (op == "in") return Value::boolean(contains(b, a, line));
  if (op == "~") return Value::string(shown(a, line) + shown(b, line));
  const auto refuse = [&]() {
    fail(line, "'" + op + "' between " + kind_name(a) + " and " + kind_name(b) +
                   " is not possible or not supported");
  };
  if (op[0] == '<' || op[0] == '>') {
    int order = 0;
    if (is_whole(a) && is_whole(b)) {
      order = a.integer < b.integer ? -1 : a.integer > b.integer;
    } else if (is_number(a) && is_number(b)) {
      order = real_of(a) < real_of(b) ? -1 : real_of(a) > real_of(b);
    } else if (a.is(Kind::text) && b.is(Kind::text)) {
      order = a.text.compare(b.text);  // UTF-8 sorts as its code points do
    } else {
      refuse();
    }
    if (op == "<") return Value::boolean(order < 0);
    if (op == ">") return Value::boolean(order > 0);
    return Value::boolean(op == "<=" ? order <= 0 : order >= 0);
  }
  if (op == "+" && a.is(Kind::text) && b.is(Kind::text)) return Value::string(a.text + b.text);
  if (op == "+" && a.is(Kind::list) && b.is(Kind::list)) {
    List joined = *a.list;
    joined.insert(joined.end(), b.list->begin(), b.list->end());
    return Value::from(std::move(joined));
  }
  if (op == "*" && a.is(Kind::text) && is_whole(b)) {
    std::string text;
    if (static_cast<std::int64_t>(a.text.size()) *
                std::clamp<std::int64_t>(b.integer, 0, kMostItems) >
            kMostItems ||
        b.integer > kMostItems) {
      fail(line, "the repeated text is too long");
    }
    for (std::int64_t i = 0; i < b.integer; ++i) text += a.text;
    return Value::string(std::move(text));
  }
  if (!is_number(a) || !is_number(b)) refuse();
  if (!is_whole(a) || !is_whole(b) || op == "/") {
    const double x = real_of(a), y = real_of(b);
    if (op == "+") return real(x + y);
    if (op == "-") return real(x - y);
    if (op == "*") return real(x * y);
    if (op == "/" && y != 0) return real(x / y);
    refuse();
  }
  std::int64_t out = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a.integer, b.integer, &out);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a.integer, b.integer, &out);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a.integer, b.integer, &out);
  } else {  // "//" and "%"
    if (b.integer == 0) fail(line, "a division by zero");
    if (b.integer == -1) {
      overflow = __builtin_sub_overflow(std::int64_t{0}, a.integer, &out);
      if (op == "%") return Value::number(0);
    } else {
      out = floor_div(a.integer, b.integer);
      if (op == "%") out = a.integer - out * b.integer;
    }
  }
  if (overflow) fail(line, "a number beyond 64 bits is not supported");
  return Value::number(out);
}

Value Words::attribute(const Value& of, const std::string& name, int line) const {
  if (of.is(Kind::undefined))
    fail(line, "'" + of.text + "' is undefined, '." + name + "' was asked");
  if (name.starts_with("_")) fail(line, "'." + name + "' is not allowed");
  if (is_method(of, name)) fail(line, "'." + name + "' without a call is not supported");
  if (of.is(Kind::dict) || of.is(Kind::space)) {
    const Value* found = find(*of.dict, name);
    return found != nullptr ? *found : Value::undefined(name);
  }
  if (of.is(Kind::text) || of.is(Kind::list)) {
    fail(line, "'." + name + "' of " + kind_name(of) + " is not supported");
  }
  return Value::undefined(name);
}

Value Words::item(const Value& of, const Value& index, int line) const {
  if (of.is(Kind::undefined)) fail(line, "'" + of.text + "' is undefined, an item was asked");
  if (of.is(Kind::dict)) {
    if (!index.is(Kind::text)) return Value::undefined("item");
    const Value* found = find(*of.dict, index.text);
    if (found != nullptr) return *found;
    if (is_method(of, index.text)) fail(line, "['" + index.text + "'] is not supported");
    return Value::undefined(index.text);
  }
  if ((of.is(Kind::list) || of.is(Kind::text)) && is_whole(index)) {
    const List items = items_of(of, line);
    const auto size = static_cast<std::int64_t>(items.size());
    const std::int64_t at = index.integer < 0 ? index.integer + size : index.integer;
    return at >= 0 && at < size ? items[static_cast<std::size_t>(at)] : Value::undefined("item");
  }
  fail(line, std::string("an item of ") + kind_name(of) + " by " + kind_name(index) +
                 " is not supported");
}

Value Words::slice(const Value& of, const Value& first, const Value& last, const Value& step,
                   int line) const {
  for (const Value* one : {&first, &last, &step}) {
    if (!one->is(Kind::none) && !is_whole(*one)) fail(line, "a slice needs whole numbers");
  }
  if (!of.is(Kind::list) && !of.is(Kind::text)) {
    fail(line, std::string("a slice of ") + kind_name(of) + " is not supported");
  }
  const List items = items_of(of, line);
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t by = step.is(Kind::none) ? 1 : step.integer;
  if (by == 0) fail(line, "a slice with step 0");
  if (by < -size - 1 || by > size + 1) fail(line, "a slice with so long a step is not supported");
  const auto clamped = [&](const Value& end, std::int64_t otherwise) {
    if (end.is(Kind::none)) return otherwise;
    const std::int64_t at = end.integer < 0 ? std::max(end.integer, -size - 1) + size : end.integer;
    return std::clamp(at, by < 0 ? std::int64_t{-1} : 0, by < 0 ? size - 1 : size);
  };
  const std::int64_t begin = clamped(first, by < 0 ? size - 1 : 0);
  const std::int64_t end = clamped(last, by < 0 ? -1 : size);
  List list;
  for (std::int64_t i = begin; by > 0 ? i < end : i > end; i += by) {
    list.push_back(items[static_cast<std::size_t>(i)]);
  }
  if (of.is(Kind::list)) return Value::from(std::move(list));
  std::string text;
  for (const Value& character : list) text += character.text;
  return Value::string(std::move(text));
}

Value Words::call(const std::string& function, const Arguments& given, int line) const {
  if (function == "raise_exception") {
    check(line, given, 1, 1, function);
    fail(line, "the template refuses this prompt: " + shown(given.values[0], line));
  }
  if (function == "strftime_now") {
    check(line, given, 1, 1, function);
    const std::string& format = text_of(given.values[0], line, function);
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    char text[256];
    const std::size_t length = std::strftime(text, sizeof text, format.c_str(), &local);
    if (length == 0 && !format.empty()) fail(line, "strftime_now: the format is not supported");
    return Value::string(std::string(text, length));
  }
  if (function == "namespace" || function == "dict") {
    if (!given.values.empty()) fail(line, function + " of a value is not supported");
    for (const auto& [key, value] : given.named) check_inside(value, line);
    Value made = Value::from(given.named);
    if (function == "namespace") made.kind = Kind::space;
    return made;
  }
  if (function == "range") {
    check(line, given, 1, 3, function);
    for (const Value& value : given.values) {
      if (!is_whole(value)) fail(line, "range needs whole numbers");
    }
    const std::size_t count = given.values.size();
    const std::int64_t first = count > 1 ? given.values[0].integer : 0;
    const std::int64_t last = given.values[count > 1 ? 1 : 0].integer;
    const std::int64_t by = count > 2 ? given.values[2].integer : 1;
    if (by == 0) fail(line, "range with step 0");
    for (const std::int64_t end : {first, last, by}) {
      if (end > kMostItems || end < -kMostItems) fail(line, "range is too long");
    }
    List list;
    for (std::int64_t i = first; by > 0 ? i < last : i > last; i += by) {
      list.push_back(Value::number(i));
    }
    return Value::from(std::move(list));
  }
  fail(line, "the function " + function + " is not supported");
}

void Words::check(int line, const Arguments& given, std::size_t low, std::size_t high,
                  const std::string& what) const {
  if (!given.named.empty()) {
    fail(line, what + ": the argument '" + given.named[0].first + "' is not supported");
  }
  if (given.values.size() < low || given.values.size() > high) {
    fail(line, what + " with so many arguments is not supported");
  }
}

const std::string& Words::text_of(const Value& value, int line, const std::string& what) const {
  if (!value.is(Kind::text)) {
    fail(line, what + " with " + kind_name(value) + " in place of a string is not supported");
  }
  return value.text;
}

}  // namespace polykv::jinja
