#pragma once
// The needle language of the embedded model: sentence templates and word lists, read from a file.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace polykv {

// Facts in one context; a language has at least as many keys.
inline constexpr int kMostKeys = 32;

// splitmix64. The standard distributions differ between libraries; cases must not.
class Prng {
 public:
  explicit Prng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  int below(int n);  // even over [0, n), n >= 1

 private:
  std::uint64_t state_;
};

struct Language {
  std::vector<std::string> fillers;    // "{name} wrote {key} on a {adjective} {object}."
  std::vector<std::string> facts;      // "The code of {key} is {value}."
  std::vector<std::string> questions;  // "\nQuestion: ..\nAnswer: The code of {key} is"
  std::string answer;                  // " {value}"
  int largest_number = 0;              // {number} is 1 to this, at most 999: never like a value
  std::map<std::string, std::vector<std::string>> words;  // slot name -> its words

  const std::vector<std::string>& keys() const { return words.at("key"); }
};

// Throws an input Error naming file and key for what is missing, malformed, or a slot without a
// word list.
Language read_language(const std::string& path);

// One sentence: a template drawn evenly, every slot drawn evenly from its list.
std::string draw_filler(const Language& language, Prng& prng);
// The template with its {key} and {value} put in.
std::string put_in(const std::string& pattern, const std::string& key, const std::string& value);

}  // namespace polykv
