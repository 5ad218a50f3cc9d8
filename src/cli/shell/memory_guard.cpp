#include "cli/shell/memory_guard.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>

#include "cli/shell/json_lines.h"
#include "cli/shell/memory_reserve.h"
#include "cli/shell/memory_words.h"
#include "core/memory_failure.h"
#include "core/memory_limits.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

std::atomic<bool> works = false;
std::atomic<bool> wants_json = false;
std::terminate_handler before = nullptr;

MemoryReserve& reserve() {
  static MemoryReserve kept;
  return kept;
}

/// Made on the stack, where memory_advice has no memory for its words.
void say_plainly() {
  constexpr int64_t kMB = 1'000'000;
  constexpr int64_t kMore = 512 * kMB;  // LibTorch and a small model
  constexpr int64_t kUnit = 1024;       // ulimit counts in these
  std::array<char, 512> text{};
  const auto limit = address_space_limit();
  const auto made =
      limit < 0 ? fmt::format_to_n(text.data(), text.size(),
                                   "sd: out of memory\n    More is needed than the machine has: "
                                   "close other programs.\n")
                : fmt::format_to_n(text.data(), text.size(),
                                   "sd: out of memory\n    About {} MB are needed, and ulimit -v "
                                   "allows {} MB. Raise it before the program starts: ulimit -v "
                                   "{} (or unlimited).\n",
                                   (limit + kMore) / kMB, limit / kMB, (limit + kMore) / kUnit);
  const auto ignored =
      ::write(STDERR_FILENO, text.data(), std::min<std::size_t>(made.size, text.size()));
  static_cast<void>(ignored);
}

[[noreturn]] void end_for_want_of_memory() {
  constexpr int kCode = static_cast<int>(ExitCode::kMemory);
  if (!works.exchange(false)) _exit(kCode);  // it failed while it was being said
  reserve().release();
  bool said = false;
  try {
    const auto text = "out of memory\n" + memory_advice();
    report_error(text, kCode, wants_json);
    said = true;
  } catch (const std::exception&) {
    // Not even for the words.
  }
  if (!said) say_plainly();
  _exit(kCode);
}

bool lacks_memory(const std::exception_ptr& thrown) {
  if (!thrown) return false;
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const std::system_error& error) {
    return means_no_memory(error.code().value());
  } catch (const std::exception& error) {
    return tells_of_memory(error.what());
  } catch (...) {
    return false;
  }
}

[[noreturn]] void on_terminate() {
  if (lacks_memory(std::current_exception()) || process_limit_is_reached())
    end_for_want_of_memory();
  if (before != nullptr) before();
  std::abort();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/// oneDNN writes to where it was given no memory, without asking. Any other fault stays one: the
/// handler is gone when the instruction runs again.
void on_fault(int, siginfo_t* fault, void*) {
  constexpr std::uintptr_t kFirstPages = 65536;  // the kernel gives none of them to anybody
  const auto address = reinterpret_cast<std::uintptr_t>(fault->si_addr);
  if (works && address < kFirstPages && process_limit_is_reached()) {
    say_plainly();
    _exit(static_cast<int>(ExitCode::kMemory));
  }
  ::signal(SIGSEGV, SIG_DFL);
}

void watch_faults() {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &action, nullptr);
}
#else
void watch_faults() {}  // a sanitizer has a handler of its own, which says more
#endif

/// Of whoever calls exit in the middle of our work.
void on_exit() {
  if (works && process_limit_is_reached()) end_for_want_of_memory();
}

void begin_early() {
  before = std::set_terminate(on_terminate);
  works = true;
}

/// Before main, and before the libraries' static objects, whose constructors allocate too.
[[gnu::section(".preinit_array"), gnu::used]] void (*const kBeginEarly)() = begin_early;

}  // namespace

MemoryGuard::MemoryGuard(bool json) {
  wants_json = json;
  works = true;
  reserve();
  watch_exit();
  watch_faults();
}

MemoryGuard::~MemoryGuard() { works = false; }

void MemoryGuard::watch_exit() { std::atexit(on_exit); }

}  // namespace sd::cli
