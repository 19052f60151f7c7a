#pragma once
// The one thread that owns model, caches and results.
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/model/safetensors.h"
#include "core/worker/command.h"
#include "core/worker/snapshot.h"

namespace polykv {

struct WorkerOptions {
  int threads = 0;                           // torch threads, 0 = all cores
  std::string embedded_folder;               // marks this model as embedded
  std::function<void()> wake;                // called from the worker after each new snapshot
  std::string state_folder{};                // holds the recent list; empty = none is read or kept
  std::optional<std::int64_t> free_bytes{};  // instead of the memory that is free now; for tests
  std::optional<StoredType> dtype{};         // of models opened from now on; none = the default
};

class Worker {
 public:
  explicit Worker(WorkerOptions options);
  ~Worker();  // cancels, then joins

  void post(Command command);                      // any thread; never blocks on work
  std::shared_ptr<const Snapshot> latest() const;  // never null
  void wait_idle();  // returns when every command posted so far is done; for tests and --screenshot

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polykv
