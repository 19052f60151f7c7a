#include "app/commands/interrupt.h"

#include <csignal>

namespace polykv {
namespace {

CancelFlag stop{false};
static_assert(CancelFlag::is_always_lock_free);  // what a signal handler may touch

void ask_to_stop(int signal) {
  stop = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

Interrupt::Interrupt() {
  stop = false;
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

const CancelFlag* Interrupt::flag() const { return &stop; }

}  // namespace polykv
