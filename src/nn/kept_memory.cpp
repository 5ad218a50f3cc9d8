#include "nn/kept_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include "kernels/huge_buffer.h"

namespace sd {
namespace {

constexpr std::size_t kSmallest = std::size_t{64} << 10U;  // smaller tensors are malloc's
constexpr std::size_t kUnit = 4096, kHugePage = std::size_t{2} << 20U;
constexpr std::size_t kSegment = std::size_t{32} << 20U;

std::size_t rounded_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/// Segments of memory, cut into pieces in use and free ones, neighbours of which are joined. A
/// tensor takes the smallest free piece that is large enough.
class Pieces {
 public:
  std::byte* take(std::size_t bytes) {
    const std::size_t size = rounded_up(bytes, kUnit);
    const std::lock_guard lock(mutex_);
    auto best = by_size_.lower_bound({size, nullptr});
    if (best == by_size_.end()) {
      add_segment(std::max(kSegment, rounded_up(size, kHugePage)));
      best = by_size_.lower_bound({size, nullptr});
    }
    auto [free_size, at] = *best;
    remove_free(at);
    if (free_size > size) add_free(at + size, free_size - size);
    used_[at] = size;
    held_ += size;
    return at;
  }

  /// Whether a piece begins there, which is given back.
  bool give_back(std::byte* at) {
    const std::lock_guard lock(mutex_);
    const auto found = used_.find(at);
    if (found == used_.end()) return false;
    std::size_t size = found->second;
    used_.erase(found);
    held_ -= size;
    const auto segment = std::prev(segments_.upper_bound(at));
    const std::byte* const begin = segment->first;
    const std::byte* const end = begin + segment->second.bytes();
    if (const auto next = free_.find(at + size); at + size < end && next != free_.end()) {
      const std::size_t more = next->second;
      remove_free(at + size);
      size += more;
    }
    if (auto before = free_.lower_bound(at); at > begin && before != free_.begin()) {
      --before;
      if (before->first + before->second == at) {
        at = before->first;
        size += before->second;
        remove_free(at);
      }
    }
    add_free(at, size);
    return true;
  }

  void release(std::size_t keep) {
    const std::lock_guard lock(mutex_);
    for (auto segment = segments_.begin(); segment != segments_.end() && mapped_ - held_ > keep;) {
      const auto whole = free_.find(segment->first);
      if (whole != free_.end() && whole->second == segment->second.bytes()) {
        remove_free(segment->first);
        mapped_ -= segment->second.bytes();
        segment = segments_.erase(segment);
      } else {
        ++segment;
      }
    }
    if (mapped_ - held_ <= keep) return;
    for (const auto& [at, size] : free_) {
      auto* begin =
          reinterpret_cast<std::byte*>(rounded_up(reinterpret_cast<std::uintptr_t>(at), kHugePage));
      if (begin + kHugePage <= at + size) {
        madvise(begin, static_cast<std::size_t>(at + size - begin) / kHugePage * kHugePage,
                MADV_DONTNEED);
      }
    }
  }

  KeptMemory state() {
    const std::lock_guard lock(mutex_);
    return {held_, mapped_};
  }

 private:
  void add_segment(std::size_t bytes) {
    kernels::HugeBuffer segment(bytes);
    auto* at = segment.as();
    segments_.emplace(at, std::move(segment));
    mapped_ += bytes;
    add_free(at, bytes);
  }
  void add_free(std::byte* at, std::size_t size) {
    free_[at] = size;
    by_size_.insert({size, at});
  }
  void remove_free(std::byte* at) {
    const auto piece = free_.find(at);
    by_size_.erase({piece->second, at});
    free_.erase(piece);
  }

  std::mutex mutex_;
  std::map<std::byte*, kernels::HugeBuffer> segments_;
  std::map<std::byte*, std::size_t> free_;
  std::set<std::pair<std::size_t, std::byte*>> by_size_;
  std::unordered_map<std::byte*, std::size_t> used_;
  std::size_t held_ = 0, mapped_ = 0;
};

/// Never destroyed: tensors may outlive every static object.
Pieces& pieces() {
  static auto* const all = new Pieces;
  return *all;
}

class KeptAllocator final : public c10::Allocator {
 public:
  explicit KeptAllocator(c10::Allocator* small) { small_ = small; }
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes < kSmallest) return small_->allocate(bytes);
    auto* at = pieces().take(bytes);
    return {at, at, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  /// Some operators take memory without a tensor around it.
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    default_copy_data(to, from, count);
  }

 private:
  static void give_back(void* at) {
    if (!pieces().give_back(static_cast<std::byte*>(at))) small_->raw_deallocate(at);
  }

  static inline c10::Allocator* small_ = nullptr;
};

}  // namespace

void keep_tensor_memory() {
  static const bool registered = [] {
    static auto* const allocator = new KeptAllocator(c10::GetCPUAllocator());
    c10::SetCPUAllocator(allocator, /*priority=*/1);
    return true;
  }();
  static_cast<void>(registered);
}

void release_kept_memory(std::size_t keep) { pieces().release(keep); }

KeptMemory kept_memory() { return pieces().state(); }

}  // namespace sd
