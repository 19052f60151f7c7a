#include "core/worker/worker.h"

#include <exception>
#include <thread>

#include "core/error.h"
#include "core/worker/latest.h"
#include "core/worker/mailbox.h"
#include "core/worker/session.h"

namespace polykv {
namespace {

// The first line: torch appends a backtrace to its messages.
std::string first_line(const char* text) {
  const std::string whole = text;
  return whole.substr(0, whole.find('\n'));
}

}  // namespace

struct Worker::State {
  explicit State(WorkerOptions given)
      : options(std::move(given)), latest(std::make_shared<Snapshot>()) {}

  WorkerOptions options;
  Mailbox mailbox;
  Latest<Snapshot> latest;
  std::thread thread;

  void loop();
  void handle(Session& session, Command& command);
};

void Worker::State::handle(Session& session, Command& command) {
  const CancelFlag* cancel = mailbox.cancel_flag();
  if (auto* inspect = std::get_if<InspectModel>(&command)) session.inspect_model(*inspect, cancel);
  if (auto* list = std::get_if<ListFolders>(&command)) session.list_folders(*list);
  if (auto* open = std::get_if<OpenModel>(&command)) session.open_model(*open, cancel);
  if (auto* cases = std::get_if<OpenCases>(&command)) session.open_cases(*cases, cancel);
  if (auto* make = std::get_if<MakeCases>(&command)) session.make_cases(*make, cancel);
  if (auto* look = std::get_if<LookAt>(&command)) session.look_at(*look);
  if (std::holds_alternative<FindHeads>(command)) session.find_heads(cancel);
  if (auto* mask = std::get_if<MaskHeads>(&command)) session.mask_heads(*mask, cancel);
  if (auto* signal = std::get_if<MeasureSignal>(&command)) session.measure_signal(*signal, cancel);
  if (auto* plan = std::get_if<CalibratePlan>(&command)) session.calibrate(*plan, cancel);
  if (auto* plan = std::get_if<SearchPlan>(&command)) session.search(*plan, cancel);
  if (auto* plan = std::get_if<AuditPlan>(&command)) session.audit(*plan, cancel);
  if (std::holds_alternative<RunCheck>(command)) session.run_check(cancel);
  if (auto* plan = std::get_if<ScorePlan>(&command)) session.score(*plan, cancel);
}

void Worker::State::loop() {
  set_torch_threads(options.threads);
  const SessionOptions given{options.embedded_folder, options.state_folder, options.free_bytes,
                             options.dtype};
  const auto publish = [this](const Snapshot& now) {
    latest.store(std::make_shared<Snapshot>(now));
    if (options.wake) options.wake();
  };
  Session session(given, publish);
  while (!mailbox.closed()) {
    std::optional<Command> command = mailbox.take(session.has_idle_work());
    if (!command && mailbox.closed()) return;
    try {
      if (command) {
        handle(session, *command);
      } else {
        mailbox.start_idle_work();
        session.do_idle_work(mailbox.cancel_flag());
        continue;  // its results are shown already
      }
    } catch (const Cancelled&) {
      // The command that cancelled is next in the mailbox.
    } catch (const Error& error) {
      session.log(error.what(), LogLine::Kind::error);
    } catch (const std::bad_alloc&) {
      session.log("Out of memory. The last good state is kept; try fewer or shorter cases.",
                  LogLine::Kind::error);
    } catch (const std::exception& error) {
      session.log(first_line(error.what()), LogLine::Kind::error);
    }
    if (!command) {
      if (!mailbox.cancel_flag()->load()) session.skip_idle_work();
    }
    session.publish_idle();
  }
}

Worker::Worker(WorkerOptions options) : state_(std::make_unique<State>(std::move(options))) {
  state_->thread = std::thread([state = state_.get()] { state->loop(); });
}

Worker::~Worker() {
  state_->mailbox.close();
  state_->thread.join();
}

void Worker::post(Command command) {
  if (auto* plan = std::get_if<ScorePlan>(&command)) {
    plan->posted = std::chrono::steady_clock::now();
  }
  state_->mailbox.post(std::move(command));
}

std::shared_ptr<const Snapshot> Worker::latest() const { return state_->latest.load(); }
void Worker::wait_idle() { state_->mailbox.wait_until_idle(); }

}  // namespace polykv
