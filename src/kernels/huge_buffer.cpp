#include "kernels/huge_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace sd::kernels {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20U, kPage = 4096, kLine = 64;

std::size_t whole_units(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

bool is_mapped(std::size_t bytes) { return bytes >= kHugePage; }

/// Maps `bytes` from the start of a huge page on and gives back what was mapped around them.
void* map_aligned(std::size_t bytes) {
  const std::size_t whole = bytes + kHugePage;
  void* const raw =
      mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(raw);
  const auto aligned = whole_units(begin, kHugePage);
  if (aligned > begin) munmap(raw, aligned - begin);
  const auto end = aligned + bytes;
  if (begin + whole > end) munmap(reinterpret_cast<void*>(end), begin + whole - end);
  madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);  // only advice: may fail
  return reinterpret_cast<void*>(aligned);
}

}  // namespace

HugeBuffer::HugeBuffer(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  data_ = is_mapped(bytes) ? map_aligned(whole_units(bytes, kPage))
                           : std::aligned_alloc(kLine, whole_units(bytes, kLine));
  if (data_ == nullptr) throw std::bad_alloc();
}

HugeBuffer::~HugeBuffer() {
  if (is_mapped(bytes_)) {
    munmap(data_, whole_units(bytes_, kPage));
  } else {
    std::free(data_);
  }
}

}  // namespace sd::kernels
