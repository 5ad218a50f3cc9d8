#include "sd/core/mapped_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "core/file_stamp.h"
#include "core/mapping_slots.h"
#include "core/memory_failure.h"
#include "core/posix_file.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// A file that changed while it was mapped and is mapped no longer.
struct PastChange {
  uint64_t opened = 0;  // its number among all that were mapped
  std::string change;
};

constexpr std::size_t kRemembered = 16;  // one is enough to refuse what was read

std::mutex files_mutex;  // of all that follows
uint64_t files_opened = 0;
// Never destroyed: a tensor that outlives main may hold the last mapping.
auto& live_files = *new std::vector<const MappedFile*>();
auto& past_changes = *new std::deque<PastChange>();

void* map(const std::filesystem::path& path, int fd, std::size_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address != MAP_FAILED) return address;
  if (errno == ENOMEM) {
    note_wanted_memory(size);
    throw OutOfMemory(
        fmt::format("{}: no room in memory to map its {} bytes", path.string(), size));
  }
  throw IoError(fmt::format("{}: cannot be mapped into memory ({} bytes): {}", path.string(), size,
                            errno_message(errno)));
}

}  // namespace

/// What the kernel was asked for, and the descriptor by which it is asked about the file: its name
/// may long be another file's.
class MappedFile::Mapping {
 public:
  Mapping(const std::filesystem::path& path, FileDescriptor file)
      : stamp_(stamp_of(file, path)), file_(std::move(file)) {
    const auto size = static_cast<std::size_t>(stamp_.size);
    if (size == 0) return;  // mmap refuses an empty range
    address_ = map(path, file_.get(), size);
    slot_ = take_mapping_slot(address_, size);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (slot_ != nullptr) free_mapping_slot(slot_);
    if (address_ != nullptr) ::munmap(address_, static_cast<std::size_t>(stamp_.size));
  }

  const std::byte* begin() const { return static_cast<const std::byte*>(address_); }
  std::size_t size() const { return static_cast<std::size_t>(stamp_.size); }

  std::optional<std::string> change(const std::filesystem::path& path) const {
    if (auto changed = changed_since(stamp_, file_, path)) return changed;
    if (slot_ == nullptr || !slot_->broken.load()) return std::nullopt;
    return fmt::format(
        "{}: a part of it could not be read from its disk\nWhat was read of it is not used: look "
        "at the disk, or copy the file from elsewhere.",
        path.string());
  }

  uint64_t number = 0;  // among all that were mapped

 private:
  FileStamp stamp_;
  FileDescriptor file_;
  void* address_ = nullptr;
  MappingSlot* slot_ = nullptr;
};

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  auto mapping = std::make_unique<Mapping>(path, open_regular_file(path));
  const std::shared_ptr<const MappedFile> file(new MappedFile(path, std::move(mapping)));
  const std::lock_guard lock(files_mutex);
  live_files.push_back(file.get());
  file->mapping_->number = ++files_opened;
  return file;
}

MappedFile::MappedFile(std::filesystem::path path, std::unique_ptr<Mapping> mapping)
    : path_(std::move(path)),
      mapping_(std::move(mapping)),
      begin_(mapping_->begin()),
      size_(mapping_->size()) {}

MappedFile::~MappedFile() {
  try {
    auto changed = change();
    const std::lock_guard lock(files_mutex);
    std::erase(live_files, this);
    if (!changed) return;
    past_changes.push_back({mapping_->number, std::move(*changed)});
    if (past_changes.size() > kRemembered) past_changes.pop_front();
  } catch (const std::exception&) {
    // No memory to remember that it changed: this run fails for want of memory anyway.
  }
}

std::optional<std::string> MappedFile::change() const { return mapping_->change(path_); }

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

MappedFilesWatch::MappedFilesWatch() {
  const std::lock_guard lock(files_mutex);
  since_ = files_opened;
}

std::optional<std::string> MappedFilesWatch::change() const {
  const std::lock_guard lock(files_mutex);
  for (const auto* file : live_files) {
    if (auto changed = file->change()) return changed;
  }
  for (const auto& past : past_changes) {
    if (past.opened > since_) return past.change;
  }
  return std::nullopt;
}

void MappedFilesWatch::require_unchanged() const {
  if (auto changed = change()) throw IoError(*changed);
}

}  // namespace sd
