#include "cli/memory_guard.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>
#include <system_error>

#include "cli/json_lines.h"
#include "cli/memory_reserve.h"
#include "cli/memory_words.h"
#include "core/memory_failure.h"
#include "core/memory_limits.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr std::string_view kPlainWords =
    "sd: out of memory\n    Raise the limit on memory (ulimit -v), or close other programs.\n";

std::atomic<bool> works = false;
std::atomic<bool> wants_json = false;
std::terminate_handler before = nullptr;

MemoryReserve& reserve() {
  static MemoryReserve kept;
  return kept;
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
  if (!said) {
    const auto ignored = ::write(STDERR_FILENO, kPlainWords.data(), kPlainWords.size());
    static_cast<void>(ignored);
  }
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
}

MemoryGuard::~MemoryGuard() { works = false; }

void MemoryGuard::watch_exit() { std::atexit(on_exit); }

}  // namespace sd::cli
