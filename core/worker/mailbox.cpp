#include "core/worker/mailbox.h"

#include <algorithm>

namespace polykv {
namespace {

bool changes_cases(const Command& c) {
  return std::holds_alternative<OpenModel>(c) || std::holds_alternative<OpenCases>(c) ||
         std::holds_alternative<MakeCases>(c);
}

template <typename T>
void drop(std::deque<Command>& waiting) {
  std::erase_if(waiting, [](const Command& c) { return std::holds_alternative<T>(c); });
}

}  // namespace

void Mailbox::post(Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (std::holds_alternative<ScorePlan>(command)) {
      drop<ScorePlan>(waiting_);
      if (runs_score_) cancel_ = true;
    } else if (std::holds_alternative<LookAt>(command)) {
      drop<LookAt>(waiting_);
    } else if (changes_cases(command)) {
      cancel_ = true;
    } else if (std::holds_alternative<CancelWork>(command)) {
      std::erase_if(waiting_, changes_cases);
      cancel_ = true;
    }
    if (runs_idle_) cancel_ = true;
    waiting_.push_back(std::move(command));
  }
  changed_.notify_all();
}

void Mailbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    cancel_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
}

std::optional<Command> Mailbox::take(bool idle_work_waits) {
  std::unique_lock lock(mutex_);
  if (waiting_.empty() && !closed_ && !idle_work_waits) {
    busy_ = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
  }
  busy_ = true;
  if (closed_ || waiting_.empty()) return std::nullopt;
  Command command = std::move(waiting_.front());
  waiting_.pop_front();
  cancel_ = false;
  runs_score_ = runs_idle_ = false;
  return command;
}

bool Mailbox::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Mailbox::start_score() {
  const std::lock_guard lock(mutex_);
  runs_score_ = true;
  // A newer plan may have come in between take() and here.
  if (std::any_of(waiting_.begin(), waiting_.end(),
                  [](const Command& c) { return std::holds_alternative<ScorePlan>(c); })) {
    cancel_ = true;
  }
}

void Mailbox::start_idle_work() {
  const std::lock_guard lock(mutex_);
  runs_idle_ = true;
  cancel_ = closed_ || !waiting_.empty();
}

void Mailbox::wait_until_idle() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || (!busy_ && waiting_.empty()); });
}

}  // namespace polykv
