#pragma once
// Commands on their way to the worker: newest plan wins, and work that a command makes pointless
// stops.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "core/model/model.h"
#include "core/worker/command.h"

namespace polykv {

class Mailbox {
 public:
  // Any thread. A ScorePlan or LookAt replaces one that still waits. OpenModel, OpenCases,
  // MakeCases and CancelWork cancel what runs, a ScorePlan a running score only, anything cancels
  // idle work.
  void post(Command command);
  void close();  // cancels what runs; take() returns nothing from now on

  // Worker only. Waits for a command; with idle_work_waits it returns nothing at once when no
  // command waits. Nothing is also what a closed mailbox gives.
  std::optional<Command> take(bool idle_work_waits);
  bool closed() const;
  // Worker only: the work that starts now is a score (a newer plan cancels it) or idle work (any
  // command cancels it).
  void start_score();
  void start_idle_work();
  const CancelFlag* cancel_flag() const { return &cancel_; }
  // Any thread: returns when nothing waits and nothing runs.
  void wait_until_idle() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Command> waiting_;
  CancelFlag cancel_ = false;
  bool closed_ = false, busy_ = true, runs_score_ = false, runs_idle_ = false;
};

}  // namespace polykv
