#include "cli/shell/interrupt.h"

#include <unistd.h>

#include <atomic>

#include "sd/core/error.h"

namespace sd::cli {
namespace {

std::atomic<int> signals_seen = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not wait for a lock");

void on_signal(int) {
  if (signals_seen.fetch_add(1) > 0) _exit(static_cast<int>(ExitCode::kInterrupted));
}

void install(int signal_number, void (*handler)(int), struct sigaction& before) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;  // file writes in flight are finished, not failed
  sigaction(signal_number, &action, &before);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  signals_seen = 0;
  install(SIGINT, on_signal, interrupt_before_);
  install(SIGTERM, on_signal, terminate_before_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &interrupt_before_, nullptr);
  sigaction(SIGTERM, &terminate_before_, nullptr);
}

bool InterruptGuard::requested() { return signals_seen > 0; }

}  // namespace sd::cli
