#pragma once

namespace sd::cli {

/// While alive: Ctrl-C (SIGINT) or SIGTERM once makes `requested` true, so that the run ends by
/// itself and keeps what is finished; a second one ends the process at once with code 130. Threads
/// that draw side by side may have one each: a signal is meant for all until the last is gone.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  static bool requested();
};

}  // namespace sd::cli
