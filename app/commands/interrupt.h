#pragma once
// Ctrl+C as a request to stop: long work ends between layers and keeps what is done.
#include "core/model/model.h"

namespace polykv {

// While it lives the first SIGINT or SIGTERM sets the flag; a second one ends the program.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const CancelFlag* flag() const;
};

}  // namespace polykv
