#include "core/worker/mailbox.h"

#include <algorithm>

namespace polykv {
namespace {

bool opens_model(const Command& c) {
  const auto* inspect = std::get_if<InspectModel>(&c);
  return std::holds_alternative<OpenModel>(c) || (inspect && inspect->open_when_fits);
}

bool changes_cases(const Command& c) {
  return std::holds_alternative<OpenCases>(c) || std::holds_alternative<MakeCases>(c);
}

bool tunes(const Command& c) {
  return std::holds_alternative<CalibratePlan>(c) || std::holds_alternative<SearchPlan>(c) ||
         std::holds_alternative<AuditPlan>(c);
}

bool measures(const Command& c) {
  return std::holds_alternative<FindHeads>(c) || std::holds_alternative<MaskHeads>(c) ||
         std::holds_alternative<MeasureSignal>(c) || tunes(c);
}

template <typename T>
void drop(std::deque<Command>& waiting) {
  std::erase_if(waiting, [](const Command& c) { return std::holds_alternative<T>(c); });
}

}  // namespace

Mailbox::Running Mailbox::kind_of(const Command& c) {
  if (opens_model(c)) return Running::model;
  if (changes_cases(c)) return Running::cases;
  if (measures(c)) return Running::measure;
  return std::holds_alternative<ScorePlan>(c) ? Running::score : Running::other;
}

// What runs and makes no sense any more once the command has come.
bool Mailbox::stops_work(const Command& command) const {
  if (running_ == Running::idle_work || std::holds_alternative<CancelWork>(command)) return true;
  switch (kind_of(command)) {
    case Running::model:
      return true;
    case Running::cases:
      return running_ == Running::cases || running_ == Running::score ||
             running_ == Running::measure;
    case Running::score:
      return running_ == Running::score;
    case Running::measure:
      return running_ == Running::measure;
    default:
      return false;
  }
}

void Mailbox::post(Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (stops_work(command)) cancel_ = true;
    if (std::holds_alternative<ScorePlan>(command)) drop<ScorePlan>(waiting_);
    if (std::holds_alternative<LookAt>(command)) drop<LookAt>(waiting_);
    if (std::holds_alternative<InspectModel>(command)) drop<InspectModel>(waiting_);
    if (std::holds_alternative<ListFolders>(command)) drop<ListFolders>(waiting_);
    if (std::holds_alternative<CancelWork>(command)) {
      std::erase_if(waiting_, changes_cases);
      std::erase_if(waiting_, opens_model);
      std::erase_if(waiting_, measures);
    }
    if (std::holds_alternative<MaskHeads>(command)) drop<MaskHeads>(waiting_);
    if (std::holds_alternative<MeasureSignal>(command)) drop<MeasureSignal>(waiting_);
    if (tunes(command)) std::erase_if(waiting_, tunes);
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
  running_ = kind_of(command);
  return command;
}

bool Mailbox::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Mailbox::start_idle_work() {
  const std::lock_guard lock(mutex_);
  running_ = Running::idle_work;
  cancel_ = closed_ || !waiting_.empty();
}

void Mailbox::wait_until_idle() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || (!busy_ && waiting_.empty()); });
}

}  // namespace polykv
