#include "app/commands/progress.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "core/text.h"

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
  const auto start = std::chrono::steady_clock::now();
  return [this, start](double share, const std::string& what) {
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const bool can_tell = share > 0.02 && seconds > 2;
    show(share,
         what + (can_tell ? ", " + seconds_text(seconds * (1 - share) / share) + " left" : ""));
  };
}

}  // namespace polykv
