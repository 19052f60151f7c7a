#pragma once
// The part of Jinja that chat templates use, as Jinja2 renders it with trim_blocks and
// lstrip_blocks. What is outside that part is an input Error, never a guess.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace polykv::jinja {

struct Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<std::string, Value>>;  // in order of insertion

// A value as Python has it; lists and dicts are shared like there.
struct Value {
  enum class Kind { undefined, none, boolean, integer, real, text, list, dict, space, function };
  Kind kind = Kind::undefined;
  std::int64_t integer = 0;  // also boolean
  double real = 0;
  std::string text;            // also the name of a function or an undefined variable
  std::shared_ptr<List> list;  // list
  std::shared_ptr<Dict> dict;  // dict, and space: namespace()
  int depth = 0;               // lists and dicts inside one another

  static Value none() { return of(Kind::none); }
  static Value boolean(bool value) { return of(Kind::boolean, value); }
  static Value number(std::int64_t value) { return of(Kind::integer, value); }
  static Value string(std::string text) { return of(Kind::text, 0, std::move(text)); }
  static Value undefined(std::string name) { return of(Kind::undefined, 0, std::move(name)); }
  static Value function(std::string name) { return of(Kind::function, 0, std::move(name)); }
  static Value from(List list);
  static Value from(Dict dict);
  bool is(Kind wanted) const { return kind == wanted; }

 private:
  static Value of(Kind kind, std::int64_t integer = 0, std::string text = "") {
    Value value;
    value.kind = kind;
    value.integer = integer;
    value.text = std::move(text);
    return value;
  }
};

struct Node;
using NodePtr = std::unique_ptr<Node>;

// One expression or statement; `parts` by kind as the comments say.
struct Node {
  enum class Kind {
    literal,       // value
    name,          // text
    list,          // parts
    dict,          // parts: key, value, key, value..
    attribute,     // parts[0] . text
    item,          // parts[0] [ parts[1] ]
    slice,         // parts[0] [ parts[1] : parts[2] : parts[3] ], a part may be null
    call,          // parts[0] ( parts[1].. ), keywords
    filter,        // parts[0] | text ( parts[1].. ), keywords
    test,          // parts[0] is text ( parts[1].. )
    negation,      // not parts[0]
    minus,         // - parts[0]
    binary,        // parts[0] text parts[1]
    condition,     // parts[1] if parts[0] else parts[2], which may be null
    output,        // {{ parts[0] }}
    data,          // text
    assign,        // text (names joined by ","; "space.name" for a namespace) = parts[0]
    assign_block,  // text = what body writes
    loop,          // for text (names) in parts[0] if parts[1]: body, otherwise
    branch,        // if parts[0]: body, otherwise
    leave,         // break
    next,          // continue
  };
  Kind kind = Kind::literal;
  int line = 0;
  std::string text;
  Value value;
  std::vector<NodePtr> parts;
  std::vector<std::pair<std::string, NodePtr>> keywords;
  std::vector<NodePtr> body, otherwise;
};

// Where a template came from, for errors: "FILE: KEY: line 3: ...".
struct Origin {
  std::string file, key;
  [[noreturn]] void fail(int line, const std::string& what) const;
};

// jinja_lexer.cpp: the text cut into data, tags and the tokens inside them.
struct Token {
  enum class Kind {
    data,
    block_begin,
    block_end,
    output_begin,
    output_end,
    name,
    text,
    integer,
    real,
    symbol,
    end
  };
  Kind kind = Kind::end;
  std::string text;
  int line = 0;
};
std::vector<Token> cut_tokens(std::string_view source, const Origin& origin);

// jinja_parser.cpp: throws an input Error for a construct that is not supported.
std::vector<NodePtr> parse(std::string_view source, const Origin& origin);

// jinja_render.cpp: throws an input Error for what the template refuses or cannot do.
std::string render(const std::vector<NodePtr>& nodes, const std::map<std::string, Value>& globals,
                   const Origin& origin);

// jinja_value.cpp, all as in Python.
bool truth(const Value& value);
bool equal(const Value& a, const Value& b);
const char* kind_name(const Value& value);
const Value* find(const Dict& dict, std::string_view key);
std::string to_json(const Value& value, int indent, int depth = 0);  // json.dumps without escapes
std::vector<std::string> characters(std::string_view text);
bool is_space(std::string_view character);
std::string stripped(std::string_view text, std::string_view characters, bool left, bool right);

}  // namespace polykv::jinja
