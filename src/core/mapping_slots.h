#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sd {

/// One mapping as the handler of SIGBUS finds it: atomics alone, since it must not wait for a lock.
struct MappingSlot {
  std::atomic<std::uintptr_t> begin = 0;  // 0: free, or being filled in
  std::atomic<std::uintptr_t> end = 0;
  std::atomic<bool> taken = false;
  std::atomic<bool> broken = false;  // zeros stand where pages could not be had
};

/// Null where there are more mappings than slots; such a one is not guarded.
MappingSlot* take_mapping_slot(const void* begin, std::size_t size);
void free_mapping_slot(MappingSlot* slot);

}  // namespace sd
