#pragma once
// A pattern of tokenizer.json: a literal string, or a regular expression in Oniguruma's syntax.
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace polykv::tok {

struct Match {
  std::size_t begin = 0, end = 0;  // bytes
};

// The most bytes that the steps may make of so many; beyond it they throw an input Error.
std::size_t most_bytes(std::size_t text_bytes);
[[noreturn]] void fail_growth();

class Pattern {
 public:
  static Pattern literal(std::string text);
  // Throws an input Error with file and key when the expression does not compile or means something
  // else to PCRE2.
  static Pattern regex(std::string_view expression, const std::string& file,
                       const std::string& key);

  // All matches from left to right, none overlapping. text is valid UTF-8.
  std::vector<Match> find(std::string_view text) const;
  std::string replace(std::string_view text, std::string_view content) const;

 private:
  std::string literal_;
  std::shared_ptr<const pcre2_real_code_8> code_;  // null: literal
};

}  // namespace polykv::tok
