#pragma once
// Tables and numbers as a person reads them on a terminal.
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/score/scores.h"

namespace polykv {

// Columns as wide as their widest cell; the first stands left, the others right.
class Table {
 public:
  explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print(std::ostream& out, bool all_left = false) const;
  std::string markdown() const;  // first column left, the others right

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string fixed(double value, int digits);
// "0.88 [0.62, 0.97]"; "-" when nothing was measured, "[?]" where the interval has no bounds.
std::string with_interval(const Estimate& estimate, int digits);

Json json_of(const Estimate& estimate);  // {"value", "low", "high", "n"}; infinite = null
Json score_json(const ScoreRow& row);    // every score of cli.md's `score` rows
// The object on one line of standard output; text that is not UTF-8 gets replacement characters.
void print_json(const Json& object);

}  // namespace polykv
