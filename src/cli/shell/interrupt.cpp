#include "cli/shell/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "sd/core/error.h"

namespace sd::cli {
namespace {

std::atomic<int> signals_seen = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not wait for a lock");

std::mutex guarding;
int guards = 0;
struct sigaction interrupt_before {};
struct sigaction terminate_before {};

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
  const std::lock_guard lock(guarding);
  if (guards++ > 0) return;
  signals_seen = 0;
  install(SIGINT, on_signal, interrupt_before);
  install(SIGTERM, on_signal, terminate_before);
}

InterruptGuard::~InterruptGuard() {
  const std::lock_guard lock(guarding);
  if (--guards > 0) return;
  sigaction(SIGINT, &interrupt_before, nullptr);
  sigaction(SIGTERM, &terminate_before, nullptr);
}

bool InterruptGuard::requested() { return signals_seen > 0; }

}  // namespace sd::cli
