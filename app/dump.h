#pragma once
// What the window shows, as JSON: for scripts and tests that look at the window without eyes.
#include <string>

#include "core/files.h"
#include "views/frame.h"

namespace polykv {

struct FrameTimes {
  long long frame = 0;  // frames drawn so far
  int width = 0, height = 0;
  double frame_ms = 0, max_frame_ms = 0;  // CPU time of one frame without waiting for the screen
};

// The state behind the picture: plan, scores, answers, places of named widgets in window pixels.
Json dump_json(const Snapshot& now, const Ui& ui, const FrameTimes& times);

// Writes the dump whenever something besides the frame counters changed.
class DumpFile {
 public:
  explicit DumpFile(std::string path) : path_(std::move(path)) {}
  bool on() const { return !path_.empty(); }
  const std::string& path() const { return path_; }
  void update(const Snapshot& now, const Ui& ui, const FrameTimes& times);

 private:
  std::string path_, last_;
};

}  // namespace polykv
