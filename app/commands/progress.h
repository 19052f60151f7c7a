#pragma once
// One line of progress on standard error, only when that is a terminal.
#include <string>

#include "core/model/model.h"

namespace polykv {

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // clears the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void clear();  // before other text goes to the terminal
  void show(double share, const std::string& what);
  Progress callback();  // valid as long as this object

 private:
  bool terminal_, shown_ = false;
};

}  // namespace polykv
