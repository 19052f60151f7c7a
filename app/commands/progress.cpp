#include "app/commands/progress.h"

#include <unistd.h>

#include <cstdio>

namespace polykv {

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

void ProgressLine::show(double share, const std::string& what) {
  if (!terminal_) return;
  std::fprintf(stderr, "\r\033[K%3.0f%%  %s", 100 * share, what.c_str());
  std::fflush(stderr);
  shown_ = true;
}

Progress ProgressLine::callback() {
  return [this](double share, const std::string& what) { show(share, what); };
}

}  // namespace polykv
