// Tokens -> statements and expressions, with Jinja2's precedence.
#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/model/jinja.h"

namespace polykv::jinja {

Value Value::from(List list) {
  Value value = of(Kind::list);
  for (const Value& item : list) value.depth = std::max(value.depth, item.depth + 1);
  value.list = std::make_shared<List>(std::move(list));
  return value;
}

Value Value::from(Dict dict) {
  Value value = of(Kind::dict);
  for (const auto& [key, item] : dict) value.depth = std::max(value.depth, item.depth + 1);
  value.dict = std::make_shared<Dict>(std::move(dict));
  return value;
}

void Origin::fail(int line, const std::string& what) const {
  fail_input(file, key, "line " + std::to_string(line) + ": " + what);
}

namespace {

using TokenKind = Token::Kind;
using Kind = Node::Kind;

class Parser {
 public:
  Parser(std::vector<Token> tokens, const Origin& origin)
      : tokens_(std::move(tokens)), origin_(origin) {}

  // Statements up to one of these words (which is read), or to the end for none.
  std::vector<NodePtr> block(const std::vector<std::string>& ends, std::string& end) {
    const Depth depth(*this);
    std::vector<NodePtr> nodes;
    while (true) {
      const Token& token = peek();
      if (token.kind == TokenKind::end) {
        if (!ends.empty()) fail("expected " + ends.back() + " before the end of the template");
        return nodes;
      }
      if (token.kind == TokenKind::data) {
        nodes.push_back(make(Kind::data));
        nodes.back()->text = take().text;
      } else if (token.kind == TokenKind::output_begin) {
        take();
        NodePtr node = make(Kind::output);
        node->parts.push_back(tuple());
        expect(TokenKind::output_end, "}}");
        nodes.push_back(std::move(node));
      } else {
        take();  // block_begin: the lexer writes nothing else here
        const std::string word = name("a word after {%");
        for (const std::string& one : ends) {
          if (one == word) {
            end = word;
            return nodes;
          }
        }
        statement(word, nodes);
      }
    }
  }

 private:
  static constexpr int kDeepest = 100;
  struct Depth {
    explicit Depth(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kDeepest) parser_.fail("nested too deep");
    }
    ~Depth() { --parser_.depth_; }
    Parser& parser_;
  };

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  [[noreturn]] void fail(const std::string& what) const { origin_.fail(peek().line, what); }
  bool at_symbol(std::string_view text) const {
    return peek().kind == TokenKind::symbol && peek().text == text;
  }
  bool at_word(std::string_view text) const {
    return peek().kind == TokenKind::name && peek().text == text;
  }
  bool take_symbol(std::string_view text) {
    if (!at_symbol(text)) return false;
    take();
    return true;
  }
  bool take_word(std::string_view text) {
    if (!at_word(text)) return false;
    take();
    return true;
  }
  std::string shown() const {
    const Token& token = peek();
    return token.kind == TokenKind::block_end || token.kind == TokenKind::output_end
               ? "the tag's end"
           : token.kind == TokenKind::end ? "the template's end"
                                          : "'" + token.text + "'";
  }
  void expect(TokenKind kind, const std::string& what) {
    if (peek().kind != kind) fail("expected " + what + ", found " + shown());
    take();
  }
  void expect_symbol(const std::string& text) {
    if (!take_symbol(text)) fail("expected '" + text + "', found " + shown());
  }
  std::string name(const std::string& what) {
    if (peek().kind != TokenKind::name) fail("expected " + what + ", found " + shown());
    return take().text;
  }
  NodePtr make(Kind kind) const {
    NodePtr node = std::make_unique<Node>();
    node->kind = kind;
    node->line = peek().line;
    return node;
  }
  NodePtr make(Kind kind, std::string text, NodePtr first, NodePtr second = nullptr) const {
    NodePtr node = make(kind);
    node->text = std::move(text);
    node->parts.push_back(std::move(first));
    if (second) node->parts.push_back(std::move(second));
    return node;
  }
  void end_block() { expect(TokenKind::block_end, "%}"); }

  void statement(const std::string& word, std::vector<NodePtr>& nodes) {
    std::string end;
    if (word == "if") {
      nodes.push_back(branch());
    } else if (word == "for") {
      nodes.push_back(loop());
    } else if (word == "set") {
      nodes.push_back(assign());
    } else if (word == "generation") {  // marks what the assistant said; writes nothing itself
      end_block();
      for (NodePtr& node : block({"endgeneration"}, end)) nodes.push_back(std::move(node));
      end_block();
    } else if ((word == "break" || word == "continue") && loops_ > 0) {
      nodes.push_back(make(word == "break" ? Kind::leave : Kind::next));
      end_block();
    } else {
      fail("{% " + word + " %} is not supported");
    }
  }
  NodePtr branch() {
    const Depth depth(*this);
    NodePtr node = make(Kind::branch);
    node->parts.push_back(tuple());
    end_block();
    std::string end;
    node->body = block({"elif", "else", "endif"}, end);
    if (end == "elif") {
      node->otherwise.push_back(branch());
      return node;  // the last branch has read endif
    }
    if (end == "else") {
      end_block();
      node->otherwise = block({"endif"}, end);
    }
    end_block();
    return node;
  }
  std::string targets() {
    std::string names = name("a name");
    while (take_symbol(",")) names += "," + name("a name");
    return names;
  }
  NodePtr loop() {
    NodePtr node = make(Kind::loop);
    const bool in_brackets = take_symbol("(");
    node->text = targets();
    if (in_brackets) expect_symbol(")");
    if (!take_word("in")) fail("expected in, found " + shown());
    node->parts.push_back(tuple(false));
    node->parts.push_back(take_word("if") ? expression() : nullptr);
    if (at_word("recursive")) fail("a recursive loop is not supported");
    end_block();
    std::string end;
    ++loops_;
    node->body = block({"else", "endfor"}, end);
    --loops_;
    if (end == "else") {
      end_block();
      node->otherwise = block({"endfor"}, end);
    }
    end_block();
    return node;
  }
  NodePtr assign() {
    NodePtr node = make(Kind::assign);
    node->text = targets();
    if (take_symbol(".")) node->text += "." + name("a name");
    if (take_symbol("=")) {
      node->parts.push_back(tuple());
      end_block();
      return node;
    }
    if (at_symbol("|")) fail("a filter on {% set %} is not supported");
    end_block();
    node->kind = Kind::assign_block;
    std::string end;
    node->body = block({"endset"}, end);
    end_block();
    return node;
  }

  // One expression, or several with commas between them as a list.
  NodePtr tuple(bool with_condition = true) {
    NodePtr first = with_condition ? expression() : either();
    if (!at_symbol(",")) return first;
    fail("a tuple without brackets is not supported");
  }
  NodePtr expression() {
    const Depth depth(*this);
    NodePtr value = either();
    while (take_word("if")) {
      NodePtr node = make(Kind::condition);
      node->parts.push_back(either());
      node->parts.push_back(std::move(value));
      node->parts.push_back(take_word("else") ? expression() : nullptr);
      value = std::move(node);
    }
    return value;
  }
  NodePtr either() {
    NodePtr left = both();
    while (at_word("or")) left = join(std::move(left), &Parser::both);
    return left;
  }
  NodePtr both() {
    NodePtr left = denied();
    while (at_word("and")) left = join(std::move(left), &Parser::denied);
    return left;
  }
  NodePtr denied() {
    const Depth depth(*this);
    if (take_word("not")) return make(Kind::negation, "", denied());
    return compared();
  }
  NodePtr join(NodePtr left, NodePtr (Parser::*operand)()) {
    const std::string text = take().text;
    return make(Kind::binary, text, std::move(left), (this->*operand)());
  }
  bool at_comparison() const {
    if (peek().kind == TokenKind::symbol) {
      const std::string& s = peek().text;
      return s == "==" || s == "!=" || s == "<" || s == ">" || s == "<=" || s == ">=";
    }
    return at_word("in") || (at_word("not") && peek(1).text == "in");
  }
  NodePtr compared() {
    NodePtr left = sum();
    if (!at_comparison()) return left;
    const bool is_denied = take_word("not");
    NodePtr node = join(std::move(left), &Parser::sum);
    if (at_comparison()) fail("a chain of comparisons is not supported");
    return is_denied ? make(Kind::negation, "", std::move(node)) : std::move(node);
  }
  NodePtr sum() {
    NodePtr left = joined();
    while (at_symbol("+") || at_symbol("-")) left = join(std::move(left), &Parser::joined);
    return left;
  }
  NodePtr joined() {
    NodePtr left = product();
    while (at_symbol("~")) left = join(std::move(left), &Parser::product);
    return left;
  }
  NodePtr product() {
    NodePtr left = signed_value();
    while (at_symbol("*") || at_symbol("/") || at_symbol("//") || at_symbol("%")) {
      left = join(std::move(left), &Parser::signed_value);
    }
    if (at_symbol("**")) fail("'**' is not supported");
    return left;
  }
  NodePtr signed_value() {
    const Depth depth(*this);
    NodePtr node;
    if (take_symbol("-")) {
      node = make(Kind::minus, "", unfiltered());
    } else {
      node = unfiltered();
    }
    while (true) {
      if (take_symbol("|")) {
        NodePtr filter = make(Kind::filter);
        filter->text = name("a filter");
        filter->parts.push_back(std::move(node));
        if (take_symbol("(")) arguments(*filter);
        node = std::move(filter);
      } else if (take_word("is")) {
        node = test(std::move(node));
      } else if (at_symbol("(")) {
        fail("a call of a filter's result is not supported");
      } else {
        return node;
      }
    }
  }
  NodePtr test(NodePtr subject) {
    const bool is_denied = take_word("not");
    NodePtr node = make(Kind::test, "", std::move(subject));
    node->text = name("a test");
    if (take_symbol("(")) {
      arguments(*node);
    } else if (peek().kind == TokenKind::text || peek().kind == TokenKind::integer ||
               peek().kind == TokenKind::real || at_symbol("[") || at_symbol("{") ||
               (peek().kind == TokenKind::name && !at_word("else") && !at_word("or") &&
                !at_word("and") && !at_word("if") && !at_word("is") && !at_word("in") &&
                !at_word("not"))) {
      node->parts.push_back(unfiltered());
    }
    return is_denied ? make(Kind::negation, "", std::move(node)) : std::move(node);
  }
  NodePtr unfiltered() {
    NodePtr node = primary();
    while (true) {
      if (take_symbol(".")) {
        if (peek().kind != TokenKind::name) fail("expected a name after '.', found " + shown());
        node = make(Kind::attribute, take().text, std::move(node));
      } else if (take_symbol("[")) {
        node = subscript(std::move(node));
      } else if (take_symbol("(")) {
        NodePtr call = make(Kind::call, "", std::move(node));
        arguments(*call);
        node = std::move(call);
      } else {
        return node;
      }
    }
  }
  NodePtr subscript(NodePtr subject) {
    NodePtr node = make(Kind::slice, "", std::move(subject));
    bool is_slice = false;
    for (int part = 0; part < 3; ++part) {
      const bool is_empty = at_symbol(":") || at_symbol("]");
      node->parts.push_back(is_empty ? nullptr : expression());
      if (!at_symbol(":")) break;
      take();
      is_slice = true;
    }
    expect_symbol("]");
    if (!is_slice) {
      if (!node->parts[1]) fail("expected an index");
      node->kind = Kind::item;
      return node;
    }
    node->parts.resize(4);
    return node;
  }
  // Behind "(": to and with ")".
  void arguments(Node& call) {
    while (!take_symbol(")")) {
      if (peek().kind == TokenKind::name && peek(1).kind == TokenKind::symbol &&
          peek(1).text == "=") {
        std::string key = take().text;
        take();
        call.keywords.emplace_back(std::move(key), expression());
      } else {
        if (at_symbol("*") || at_symbol("**")) fail("'*' before an argument is not supported");
        if (!call.keywords.empty()) fail("a value behind a named argument is not allowed");
        call.parts.push_back(expression());
      }
      if (!at_symbol(")")) expect_symbol(",");
    }
  }
  NodePtr primary() {
    const Depth depth(*this);
    NodePtr node = make(Kind::literal);
    const Token token = peek();
    if (token.kind == TokenKind::text) {
      std::string text;
      while (peek().kind == TokenKind::text) text += take().text;
      node->value = Value::string(std::move(text));
    } else if (token.kind == TokenKind::integer) {
      const auto [end, error] = std::from_chars(
          token.text.data(), token.text.data() + token.text.size(), node->value.integer);
      if (error != std::errc()) fail("the number " + token.text + " is too large");
      node->value.kind = Value::Kind::integer;
      take();
    } else if (token.kind == TokenKind::real) {
      node->value.kind = Value::Kind::real;
      std::from_chars(token.text.data(), token.text.data() + token.text.size(), node->value.real);
      take();
    } else if (take_symbol("(")) {
      if (at_symbol(")")) fail("an empty tuple is not supported");
      node = expression();
      if (at_symbol(",")) {
        NodePtr list = make(Kind::list, "", std::move(node));
        while (take_symbol(",") && !at_symbol(")")) list->parts.push_back(expression());
        node = std::move(list);
      }
      expect_symbol(")");
    } else if (take_symbol("[")) {
      node->kind = Kind::list;
      while (!take_symbol("]")) {
        node->parts.push_back(expression());
        if (!at_symbol("]")) expect_symbol(",");
      }
    } else if (take_symbol("{")) {
      node->kind = Kind::dict;
      while (!take_symbol("}")) {
        node->parts.push_back(expression());
        expect_symbol(":");
        node->parts.push_back(expression());
        if (!at_symbol("}")) expect_symbol(",");
      }
    } else if (token.kind == TokenKind::name) {
      take();
      if (token.text == "true" || token.text == "True") {
        node->value = Value::boolean(true);
      } else if (token.text == "false" || token.text == "False") {
        node->value = Value::boolean(false);
      } else if (token.text == "none" || token.text == "None") {
        node->value = Value::none();
      } else {
        for (const char* word : {"if", "else", "in", "is", "and", "or", "not"}) {
          if (token.text == word) fail("expected a value, found '" + token.text + "'");
        }
        node->kind = Kind::name;
        node->text = token.text;
      }
    } else {
      fail("expected a value, found " + shown());
    }
    return node;
  }

  std::vector<Token> tokens_;
  const Origin& origin_;
  std::size_t at_ = 0;
  int depth_ = 0, loops_ = 0;
};

}  // namespace

std::vector<NodePtr> parse(std::string_view source, const Origin& origin) {
  std::string end;
  return Parser(cut_tokens(source, origin), origin).block({}, end);
}

}  // namespace polykv::jinja
