#include "core/mapping_slots.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <mutex>

#include "sd/core/mapped_file.h"

namespace sd {
namespace {

constexpr std::size_t kSlots = 4096;  // models in a thousand shards are read

std::array<MappingSlot, kSlots> slots;
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free,
              "a signal handler must not wait for a lock");

struct sigaction before {};
std::uintptr_t page_size = 4096;

/// The handler that was there before; without one the fault happens again and ends the process.
void pass_on(int number, siginfo_t* info, void* context) {
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
    return before.sa_handler(number);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  sigaction(number, &usual, nullptr);
}

/// Only calls the kernel and reads atomics. What is read from the zeros is thrown away by whoever
/// asks MappedFile::change.
void on_bus_error(int number, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (auto& slot : slots) {
    const auto begin = slot.begin.load();
    const auto end = slot.end.load();
    if (begin == 0 || address < begin || address >= end) continue;
    const auto page = address / page_size * page_size;
    void* const zeros = ::mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) break;
    slot.broken.store(true);
    return;
  }
  pass_on(number, info, context);
}

}  // namespace

MappingSlot* take_mapping_slot(const void* begin, std::size_t size) {
  for (auto& slot : slots) {
    if (slot.taken.exchange(true)) continue;
    slot.broken.store(false);
    slot.end.store(reinterpret_cast<std::uintptr_t>(begin) + size);
    slot.begin.store(reinterpret_cast<std::uintptr_t>(begin));
    return &slot;
  }
  return nullptr;
}

void free_mapping_slot(MappingSlot* slot) {
  slot->begin.store(0);
  slot->end.store(0);
  slot->taken.store(false);
}

void guard_mapped_files() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGBUS, &action, &before);
  });
}

}  // namespace sd
