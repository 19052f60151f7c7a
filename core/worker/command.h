#pragma once
// What the window asks of the worker. Values only.
#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

#include "core/plan/plan.h"
#include "core/probe/needle.h"

namespace polykv {

struct OpenModel {
  std::string folder;
  std::string cases{};  // JSON lines to start with; empty or unreadable = the default case set
};
struct OpenCases {
  std::string path;
};  // JSON lines
struct MakeCases {
  int count = 16;
  NeedleSettings like;
};
struct ScorePlan {
  Plan plan;
  std::uint64_t edit = 0;
  std::chrono::steady_clock::time_point posted{};  // set by Worker::post
};                                                 // newest edit wins
struct LookAt {
  int case_index = 0, layer = 0, head = 0;
};  // whose heatmap and answer to show
struct RunCheck {};
struct CancelWork {};

using Command =
    std::variant<OpenModel, OpenCases, MakeCases, ScorePlan, LookAt, RunCheck, CancelWork>;

}  // namespace polykv
