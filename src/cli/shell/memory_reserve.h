#pragma once

#include <sys/mman.h>

#include <cstddef>

namespace sd::cli {

/// Memory that is given back when there is none left, so that a message can be made. Mapped, not
/// taken from malloc, since what is freed there may stay with it.
class MemoryReserve {
 public:
  MemoryReserve() : begin_(::mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~MemoryReserve() { release(); }
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  void release() {
    if (begin_ != MAP_FAILED) ::munmap(begin_, kSize);
    begin_ = MAP_FAILED;
  }

 private:
  static constexpr std::size_t kSize = std::size_t{1} << 20;
  void* begin_;
};

}  // namespace sd::cli
