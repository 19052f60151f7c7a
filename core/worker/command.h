#pragma once
// What the window asks of the worker. Values only.
#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/plan/plan.h"
#include "core/probe/head_score.h"
#include "core/probe/needle.h"
#include "core/tune/search.h"

namespace polykv {

// Tokens that question and answer of a made case may take; a case of n tokens has a context of
// n - kQuestionRoom.
constexpr int kQuestionRoom = 74;

struct MakeCases {
  int count = 16;
  NeedleSettings like;
};
// The pre-flight card of a folder, answered by Snapshot::card with the same request.
struct InspectModel {
  std::uint64_t request = 0;
  std::string folder;
  bool open_when_fits = false;  // the start of the program asks nothing when there is no need
  std::string cases{};          // for OpenModel then
};
struct OpenModel {
  std::string folder;
  std::string cases{};  // JSON lines to start with; empty or unreadable = the case set of `make`
  MakeCases make{};
};
struct OpenCases {
  std::string path;
};  // JSON lines
// Folders that go on from a typed path; also looks again which recent folders are still there.
struct ListFolders {
  std::string typed;
};
struct ScorePlan {
  Plan plan;
  std::uint64_t edit = 0;
  std::chrono::steady_clock::time_point posted{};  // set by Worker::post
};                                                 // newest edit wins
struct LookAt {
  int case_index = 0, layer = 0, head = 0;
};  // whose heatmap and answer to show
// Retrieval heads from the current case set; compresskv and headkv use them at once.
struct FindHeads {};
// The current cases with these heads masked, beside as many random ones. Answered by
// Snapshot::mask with the same request.
struct MaskHeads {
  std::uint64_t request = 0;
  std::vector<HeadPlace> heads;
};
// A layer signal of the current cases for an allocator; answered by Snapshot::signal.
struct MeasureSignal {
  std::uint64_t request = 0;
  std::string source;  // a row of layer_signals(), or "attention": all parts of a Signal
  QueryVisibility query = QueryVisibility::agnostic;
};
// The tuner's long jobs on the current cases; answered by the parts of Snapshot of the same name.
struct CalibratePlan {  // Snapshot::calibration
  QueryVisibility query = QueryVisibility::agnostic;
  int budget = 64;
  std::vector<std::string> policies{};  // empty = usual_policies
};
struct SearchPlan {  // Snapshot::search
  std::uint64_t request = 0;
  Plan start;
  SearchSettings settings{};
  bool swaps = false;  // policies too: among usual_policies where the settings name none
};
struct AuditPlan {  // Snapshot::audit
  std::uint64_t request = 0;
  Plan plan;
  int permutations = 100;
};
struct RunCheck {};
struct CancelWork {};

using Command = std::variant<InspectModel, OpenModel, OpenCases, MakeCases, ListFolders, ScorePlan,
                             LookAt, FindHeads, MaskHeads, MeasureSignal, CalibratePlan, SearchPlan,
                             AuditPlan, RunCheck, CancelWork>;

}  // namespace polykv
