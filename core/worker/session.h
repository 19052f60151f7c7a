#pragma once
// What the worker thread works on: model, cases, scores, and the snapshot being written. No threads
// here.
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/model/safetensors.h"
#include "core/worker/command.h"
#include "core/worker/snapshot.h"

namespace polykv {

struct SessionOptions {  // as in WorkerOptions
  std::string embedded_folder, state_folder;
  std::optional<std::int64_t> free_bytes;
  std::optional<StoredType> dtype{};
};

class Session {
 public:
  // publish is called with every new state worth showing.
  Session(SessionOptions options, std::function<void(const Snapshot&)> publish);
  ~Session();

  // Each throws Error or Cancelled and then leaves model, cases and scores as they were.
  void inspect_model(const InspectModel& command, const CancelFlag* cancel);
  void open_model(const OpenModel& command, const CancelFlag* cancel);
  void open_cases(const OpenCases& command, const CancelFlag* cancel);
  void make_cases(const MakeCases& command, const CancelFlag* cancel);
  void score(const ScorePlan& command, const CancelFlag* cancel);
  void list_folders(const ListFolders& command);
  void look_at(const LookAt& command);
  void find_heads(const CancelFlag* cancel);
  void mask_heads(const MaskHeads& command, const CancelFlag* cancel);
  void measure_signal(const MeasureSignal& command, const CancelFlag* cancel);
  void calibrate(const CalibratePlan& command, const CancelFlag* cancel);
  void search(const SearchPlan& command, const CancelFlag* cancel);
  void audit(const AuditPlan& command, const CancelFlag* cancel);
  void run_check(const CancelFlag* cancel);

  // Work worth doing when nothing is asked for: a score that opening a model in vain broke off, the
  // model's own wrong answer, controls. False = none.
  bool has_idle_work() const;
  void do_idle_work(const CancelFlag* cancel);
  void skip_idle_work();  // after a failure: not tried again until the next score

  void log(const std::string& text, LogLine::Kind kind = LogLine::Kind::info);
  void publish_idle();  // the state after work ended, however it ended

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polykv
