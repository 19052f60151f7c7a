#pragma once
// Errors that reach a person: one sentence, and the exit code the command line gives it.
#include <stdexcept>
#include <string>

namespace polykv {

enum class ErrorKind {
  failed = 1,
  usage = 2,
  input = 3
};  // the values are the exit codes of cli.md

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& sentence) : std::runtime_error(sentence), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// "FILE: KEY: EXPECTATION" as one sentence; file or key may be empty. Always throws (exit code 3).
[[noreturn]] void fail_input(const std::string& file, const std::string& key,
                             const std::string& expectation);

}  // namespace polykv
