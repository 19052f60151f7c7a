// Template text -> tokens, with Jinja2's rules for white space around tags.
#include <algorithm>
#include <cctype>

#include "core/model/jinja.h"
#include "core/model/unicode.h"

namespace polykv::jinja {
namespace {

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  Lexer(std::string_view source, const Origin& origin) : origin_(origin) {
    for (std::size_t i = 0; i < source.size(); ++i) {  // "\r\n" and "\r" are line ends
      if (source[i] == '\r') {
        source_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        source_ += source[i];
      }
    }
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<Token> run() {
    bool at_line_start = true;  // the last tag ended with a line end
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag();
      std::string data = source_.substr(at_, tag - at_);
      const int data_line = line_;
      count_lines(data);
      if (tag == source_.size()) {
        push(Token::Kind::data, std::move(data), data_line);
        break;
      }
      const char kind = source_[tag + 1];
      const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
      if (sign == '-') {
        data = stripped(data, "", false, true);
      } else if (sign != '+' && kind != '{') {
        trim_line_start(data, at_line_start);
      }
      if (!data.empty()) push(Token::Kind::data, std::move(data), data_line);
      at_ = tag + 2 + (sign == '-' || sign == '+' ? 1 : 0);
      if (kind == '#') {
        skip_comment();
      } else {
        read_tag(kind == '%');
      }
      at_line_start = source_[at_ - 1] == '\n';
    }
    push(Token::Kind::end, "", line_);
    return std::move(tokens_);
  }

 private:
  void push(Token::Kind kind, std::string text, int line) {
    tokens_.push_back({kind, std::move(text), line});
  }
  void count_lines(std::string_view text) {
    line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  std::size_t next_tag() const {
    for (std::size_t i = at_; i + 1 < source_.size(); ++i) {
      if (source_[i] == '{' && std::string_view("{%#").find(source_[i + 1]) != std::string::npos) {
        return i;
      }
    }
    return source_.size();
  }
  // lstrip_blocks: white space between the line start and a block goes.
  static void trim_line_start(std::string& data, bool at_line_start) {
    const auto newline = data.rfind('\n');
    if (newline == std::string::npos && !at_line_start) return;
    const std::size_t start = newline == std::string::npos ? 0 : newline + 1;
    if (stripped(std::string_view(data).substr(start), "", true, false).empty()) data.resize(start);
  }
  // Behind a tag: "-" takes all white space, a block without "+" one line end (trim_blocks).
  void end_tag(char sign, bool is_block) {
    if (sign == '-') {
      const std::string rest = stripped(std::string_view(source_).substr(at_), "", true, false);
      const std::size_t end = source_.size() - rest.size();
      count_lines(std::string_view(source_).substr(at_, end - at_));
      at_ = end;
    } else if (is_block && sign != '+' && at_ < source_.size() && source_[at_] == '\n') {
      ++line_;
      ++at_;
    }
  }
  void skip_comment() {
    const auto end = source_.find("#}", at_);
    if (end == std::string::npos) origin_.fail(line_, "a comment is not closed");
    const char sign = end > at_ ? source_[end - 1] : ' ';
    count_lines(std::string_view(source_).substr(at_, end - at_));
    at_ = end + 2;
    end_tag(sign, true);
  }
  void read_tag(bool is_block) {
    push(is_block ? Token::Kind::block_begin : Token::Kind::output_begin, "", line_);
    const std::string_view close = is_block ? "%}" : "}}";
    std::string open;  // brackets inside the tag
    while (true) {
      while (at_ < source_.size() && std::isspace(static_cast<unsigned char>(source_[at_])) != 0) {
        if (source_[at_] == '\n') ++line_;
        ++at_;
      }
      if (at_ >= source_.size()) origin_.fail(line_, "a tag is not closed");
      const std::string_view rest = std::string_view(source_).substr(at_);
      const bool has_sign =
          (rest[0] == '-' || (is_block && rest[0] == '+')) && rest.substr(1).starts_with(close);
      if (open.empty() && (has_sign || rest.starts_with(close))) {
        const char sign = has_sign ? rest[0] : ' ';
        at_ += has_sign ? 3 : 2;
        push(is_block ? Token::Kind::block_end : Token::Kind::output_end, "", line_);
        end_tag(sign, is_block);
        return;
      }
      read_token(open);
    }
  }
  void read_token(std::string& open) {
    const char c = source_[at_];
    if (is_name_start(c)) {
      const std::size_t begin = at_;
      while (at_ < source_.size() && (is_name_start(source_[at_]) || is_digit(source_[at_]))) ++at_;
      push(Token::Kind::name, source_.substr(begin, at_ - begin), line_);
    } else if (is_digit(c)) {
      read_number();
    } else if (c == '"' || c == '\'') {
      read_text(c);
    } else {
      static constexpr std::string_view kLong[] = {"**", "//", "==", "!=", "<=", ">="};
      std::string symbol(1, c);
      for (const std::string_view longer : kLong) {
        if (std::string_view(source_).substr(at_).starts_with(longer)) symbol = longer;
      }
      if (std::string_view("+-*/%~<>=!()[]{}.,:|").find(c) == std::string_view::npos ||
          symbol == "!") {
        origin_.fail(line_, "the character '" + unicode::lossy(source_.substr(at_, 1)) +
                                "' inside a tag is not supported");
      }
      if (c == '(' || c == '[' || c == '{') open += c;
      if (c == ')' || c == ']' || c == '}') {
        if (open.empty()) origin_.fail(line_, std::string("'") + c + "' closes nothing");
        const char wanted = open.back() == '(' ? ')' : open.back() == '[' ? ']' : '}';
        if (c != wanted) {
          origin_.fail(line_, std::string("expected '") + wanted + "', found '" + c + "'");
        }
        open.pop_back();
      }
      push(Token::Kind::symbol, symbol, line_);
      at_ += symbol.size();
    }
  }
  void read_number() {
    const std::size_t begin = at_;
    while (at_ < source_.size() && is_digit(source_[at_])) ++at_;
    Token::Kind kind = Token::Kind::integer;
    if (at_ + 1 < source_.size() && source_[at_] == '.' && is_digit(source_[at_ + 1])) {
      kind = Token::Kind::real;
      for (++at_; at_ < source_.size() && is_digit(source_[at_]);) ++at_;
    }
    if (at_ < source_.size() && is_name_start(source_[at_])) {
      origin_.fail(line_, "a number with '" + source_.substr(at_, 1) + "' is not supported");
    }
    push(kind, source_.substr(begin, at_ - begin), line_);
  }
  void read_text(char quote) {
    const int line = line_;
    std::string text;
    for (++at_;; ++at_) {
      if (at_ >= source_.size()) origin_.fail(line, "a string is not closed");
      const char c = source_[at_];
      if (c == quote) break;
      if (c == '\n') ++line_;
      if (c == '\\' && at_ + 1 < source_.size()) {
        const char escaped = source_[++at_];
        static constexpr std::string_view kNames = "nrt\\'\"abfv0", kBytes = "\n\r\t\\'\"\a\b\f\v";
        const auto known = kNames.find(escaped);
        if (known < kBytes.size()) {
          text += kBytes[known];
        } else if (escaped == 'u' || escaped == 'x') {
          append_code(text, escaped == 'u' ? 4 : 2, line);
        } else {
          origin_.fail(line, std::string("'\\") + escaped + "' in a string is not supported");
        }
      } else {
        text += c;
      }
    }
    ++at_;
    push(Token::Kind::text, std::move(text), line);
  }
  void append_code(std::string& text, int digits, int line) {
    char32_t code = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = at_ + 1 < source_.size() ? source_[++at_] : ' ';
      const auto digit = std::string_view("0123456789abcdef")
                             .find(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
      if (digit == std::string_view::npos) origin_.fail(line, "a broken '\\u' in a string");
      code = code * 16 + static_cast<char32_t>(digit);
    }
    if (code >= 0xD800 && code < 0xE000) origin_.fail(line, "a surrogate is not supported");
    unicode::append(text, code);
  }

  const Origin& origin_;
  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> cut_tokens(std::string_view source, const Origin& origin) {
  return Lexer(source, origin).run();
}

}  // namespace polykv::jinja
