#pragma once
// The arguments of one word, parsed by its table of options.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "app/commands/word.h"
#include "core/suggest.h"  // did_you_mean

namespace polykv {

// Name of the program in messages and help.
inline constexpr const char* kProgram = "polykv-studio";

class Options {
 public:
  // Throws a usage Error for an unknown option (naming the nearest), a missing value or an operand
  // too many or too few. `--name value` and `--name=value` both do; a later value replaces an
  // earlier one where only one counts.
  Options(const Word& word, const std::vector<std::string>& arguments);

  bool wants_help() const { return has("--help"); }
  bool has(const std::string& name) const { return given_.count(name) != 0; }
  std::string text(const std::string& name, const std::string& otherwise = "") const;
  std::vector<std::string> all(const std::string& name) const;  // every value, in order
  // A usage Error for what is not a number in [low, high].
  int integer(const std::string& name, int otherwise, int low, int high) const;
  double number(const std::string& name, double otherwise, double low, double high) const;
  std::uint64_t seed(std::uint64_t otherwise) const;  // --seed
  // One of the words; a usage Error with the nearest one else.
  std::string choice(const std::string& name, const std::string& otherwise,
                     const std::vector<std::string>& words) const;
  std::vector<int> integers(const std::string& name, const std::string& otherwise, int low,
                            int high) const;  // "256,512"
  std::vector<double> numbers(const std::string& name, const std::string& otherwise, double low,
                              double high) const;
  // Throws a usage Error when the option is not there.
  void require(const std::string& name) const;
  const std::vector<std::string>& operands() const { return operands_; }

 private:
  const Word& word_;
  std::map<std::string, std::vector<std::string>> given_;
  std::vector<std::string> operands_;
};

// Usage, options and summary of one word.
std::string help_text(const Word& word);

}  // namespace polykv
