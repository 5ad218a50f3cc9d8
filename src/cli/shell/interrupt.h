#pragma once

#include <signal.h>

namespace sd::cli {

/// While alive: Ctrl-C (SIGINT) or SIGTERM once makes `requested` true, so that the run ends by
/// itself and keeps what is finished; a second one ends the process at once with code 130. One at
/// a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  static bool requested();

 private:
  struct sigaction interrupt_before_ {};
  struct sigaction terminate_before_ {};
};

}  // namespace sd::cli
