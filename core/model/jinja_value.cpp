// What Python does with values: truth, equality, JSON, characters of a text.
#include <cstdio>

#include "core/model/jinja.h"
#include "core/model/unicode.h"

namespace polykv::jinja {
namespace {

using Kind = Value::Kind;

bool is_number(const Value& value) { return value.is(Kind::integer) || value.is(Kind::boolean); }

double as_real(const Value& value) {
  return value.is(Kind::real) ? value.real : static_cast<double>(value.integer);
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\b') {
      out += "\\b";
    } else if (c == '\f') {
      out += "\\f";
    } else if (byte < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

bool truth(const Value& value) {
  switch (value.kind) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return value.integer != 0;
    case Kind::real:
      return value.real != 0;
    case Kind::text:
      return !value.text.empty();
    case Kind::list:
      return !value.list->empty();
    case Kind::dict:
      return !value.dict->empty();
    default:
      return true;
  }
}

bool equal(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) return a.integer == b.integer;
  if ((a.is(Kind::real) || is_number(a)) && (b.is(Kind::real) || is_number(b))) {
    return as_real(a) == as_real(b);
  }
  if (a.kind != b.kind) return false;
  if (a.is(Kind::list)) {
    if (a.list->size() != b.list->size()) return false;
    for (std::size_t i = 0; i < a.list->size(); ++i) {
      if (!equal((*a.list)[i], (*b.list)[i])) return false;
    }
    return true;
  }
  if (a.is(Kind::dict)) {
    if (a.dict->size() != b.dict->size()) return false;
    for (const auto& [key, value] : *a.dict) {
      const Value* other = find(*b.dict, key);
      if (other == nullptr || !equal(value, *other)) return false;
    }
    return true;
  }
  if (a.is(Kind::space)) return a.dict == b.dict;
  return a.is(Kind::undefined) || a.text == b.text;
}

const char* kind_name(const Value& value) {
  static constexpr const char* kNames[] = {
      "an undefined value", "none",   "a boolean", "a number",    "a number with a fraction",
      "a string",           "a list", "a dict",    "a namespace", "a function"};
  return kNames[static_cast<std::size_t>(value.kind)];
}

const Value* find(const Dict& dict, std::string_view key) {
  for (const auto& [name, value] : dict) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string to_json(const Value& value, int indent, int depth) {
  const auto line = [&](int level) {
    return indent < 0 ? std::string()
                      : "\n" + std::string(static_cast<std::size_t>(indent * level), ' ');
  };
  const std::string comma = indent < 0 ? ", " : ",";
  std::string out;
  switch (value.kind) {
    case Kind::none:
      return "null";
    case Kind::boolean:
      return value.integer != 0 ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.integer);
    case Kind::text:
      return json_text(value.text);
    case Kind::list:
      if (value.list->empty()) return "[]";
      for (const Value& item : *value.list) {
        out += (out.empty() ? "" : comma) + line(depth + 1) + to_json(item, indent, depth + 1);
      }
      return "[" + out + line(depth) + "]";
    case Kind::dict:
      if (value.dict->empty()) return "{}";
      for (const auto& [key, item] : *value.dict) {
        out += (out.empty() ? "" : comma) + line(depth + 1) + json_text(key) + ": " +
               to_json(item, indent, depth + 1);
      }
      return "{" + out + line(depth) + "}";
    default:
      return "";  // the caller refuses these
  }
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = unicode::step(text, at).bytes;
    out.emplace_back(text.substr(at, bytes));
    at += bytes;
  }
  return out;
}

// str.isspace: the property White_Space and the four separators of ASCII.
bool is_space(std::string_view character) {
  const char32_t code = unicode::step(character, 0).code;
  return unicode::is_space(code) || (code >= 0x1C && code <= 0x1F);
}

// str.strip: characters "" means white space.
std::string stripped(std::string_view text, std::string_view which, bool left, bool right) {
  const std::vector<std::string> all = characters(text), chosen = characters(which);
  const auto goes = [&](const std::string& character) {
    if (which.empty()) return is_space(character);
    for (const std::string& one : chosen) {
      if (one == character) return true;
    }
    return false;
  };
  std::size_t first = 0, last = all.size();
  while (left && first < last && goes(all[first])) ++first;
  while (right && last > first && goes(all[last - 1])) --last;
  std::string out;
  for (std::size_t i = first; i < last; ++i) out += all[i];
  return out;
}

}  // namespace polykv::jinja
