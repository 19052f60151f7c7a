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
  // Any thread. A ScorePlan, LookAt, InspectModel or ListFolders replaces one that still waits.
  // A MaskHeads or MeasureSignal replaces one of its kind. What runs is cancelled by CancelWork
  // (which also drops models, cases and measurements that wait) and OpenModel; new cases cancel
  // older ones, a score and a measurement; a ScorePlan cancels a score; a MaskHeads or
  // MeasureSignal cancels a measurement; anything cancels idle work.
  void post(Command command);
  void close();  // cancels what runs; take() returns nothing from now on

  // Worker only. Waits for a command; with idle_work_waits it returns nothing at once when no
  // command waits. Nothing is also what a closed mailbox gives.
  std::optional<Command> take(bool idle_work_waits);
  bool closed() const;
  void start_idle_work();  // worker only: until the next take()
  const CancelFlag* cancel_flag() const { return &cancel_; }
  // Any thread: returns when nothing waits and nothing runs.
  void wait_until_idle() const;

 private:
  enum class Running { model, cases, score, measure, idle_work, other };
  static Running kind_of(const Command& command);
  bool stops_work(const Command& command) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Command> waiting_;
  CancelFlag cancel_ = false;
  bool closed_ = false, busy_ = true;
  Running running_ = Running::other;
};

}  // namespace polykv
