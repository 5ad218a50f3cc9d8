#include "sd/core/mapped_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "core/posix_file.h"
#include "sd/core/error.h"

namespace sd {

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const FileDescriptor fd = open_regular_file(path);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    throw IoError(fmt::format("{}: cannot be examined: {}", path.string(), errno_message(errno)));
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  const std::byte* begin = nullptr;
  if (size > 0) {  // mmap refuses an empty range
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (address == MAP_FAILED) {
      throw IoError(fmt::format("{}: cannot be mapped into memory ({} bytes): {}", path.string(),
                                size, errno_message(errno)));
    }
    begin = static_cast<const std::byte*>(address);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, begin, size));
}

MappedFile::MappedFile(std::filesystem::path path, const std::byte* begin, std::size_t size)
    : path_(std::move(path)), begin_(begin), size_(size) {}

MappedFile::~MappedFile() {
  if (begin_ != nullptr) ::munmap(const_cast<std::byte*>(begin_), size_);
}

void MappedFile::drop(std::span<const std::byte> range) const {
  const auto base = reinterpret_cast<std::uintptr_t>(begin_);
  const auto first = reinterpret_cast<std::uintptr_t>(range.data());
  if (range.empty() || first < base || first - base > size_ ||
      range.size() > size_ - (first - base)) {
    return;  // a hint only: what is not ours stays untouched
  }
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  // Whole pages inside the range: a neighbour on a shared page may still be needed.
  const std::uintptr_t begin = (first + page - 1) / page * page;
  const bool to_the_end = first - base + range.size() == size_;
  const std::uintptr_t last = first + range.size();
  const std::uintptr_t end = to_the_end ? (last + page - 1) / page * page : last / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace sd
