#pragma once
// What templates can do with values by name: operators, attributes, methods, filters, tests and
// functions. Each throws an input Error naming the line for what is not supported.
#include "core/model/jinja.h"

namespace polykv::jinja {

constexpr std::size_t kMostBytes = 64u << 20;  // of any text

struct Arguments {
  List values;  // of a filter or test: the value it stands behind first
  Dict named;
};

class Words {
 public:
  explicit Words(const Origin& origin) : origin_(origin) {}

  // A value that goes into a list, dict or namespace: no namespace itself (two could hold one
  // another) and not nested too deep.
  void check_inside(const Value& value, int line) const;
  Value global(const std::string& name) const;            // a function, or undefined
  std::string shown(const Value& value, int line) const;  // {{ value }}
  List items_of(const Value& value, int line) const;      // for .. in value
  Value binary(const std::string& op, const Value& a, const Value& b, int line) const;
  Value attribute(const Value& of, const std::string& name, int line) const;
  Value item(const Value& of, const Value& index, int line) const;
  Value slice(const Value& of, const Value& first, const Value& last, const Value& step,
              int line) const;
  Value call(const std::string& function, const Arguments& given, int line) const;
  Value method(const Value& of, const std::string& name, const Arguments& given, int line) const;
  Value filter(const std::string& name, const Arguments& given, int line) const;
  bool test(const std::string& name, const List& given, int line) const;

 private:
  [[noreturn]] void fail(int line, const std::string& what) const { origin_.fail(line, what); }
  void check(int line, const Arguments& given, std::size_t low, std::size_t high,
             const std::string& what) const;
  void check_length(const std::string& text, int line) const;
  const std::string& text_of(const Value& value, int line, const std::string& what) const;
  std::string cased(const std::string& text, const std::string& how, int line) const;
  std::string replaced(const std::string& text, const List& given, int line) const;
  Value text_method(const std::string& text, const std::string& name, const Arguments& given,
                    int line) const;
  bool contains(const Value& container, const Value& value, int line) const;
  Value chosen(const Arguments& given, bool wanted, int line) const;

  const Origin& origin_;
};

}  // namespace polykv::jinja
