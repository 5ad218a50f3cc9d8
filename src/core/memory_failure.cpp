#include "core/memory_failure.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

namespace sd {
namespace {

/// Words that tell of a lack of memory. They come from LibTorch's allocator (two), oneDNN (three),
/// the dynamic loader, the kernel, operator new and the thread library. oneDNN does not speak of
/// memory: it says which object it could not make, and lack of memory is why it could not.
constexpr std::array<std::string_view, 12> kWords = {
    "not enough memory",        "DefaultCPUAllocator",
    "could not create a prim",  "could not create a memory",
    "could not execute a prim", "failed to map segment",
    "cannot create shared obj", "annot allocate memory",
    "std::bad_alloc",           "ut of memory",
    "cannot allocate TLS",      "cannot apply additional memory protection"};

std::atomic<int64_t> wanted = 0;

}  // namespace

bool tells_of_memory(std::string_view message) {
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view words) {
    return message.find(words) != std::string_view::npos;
  });
}

bool means_no_memory(int error) { return error == ENOMEM || error == EAGAIN; }

void note_wanted_memory(std::size_t bytes) { wanted = static_cast<int64_t>(bytes); }

int64_t wanted_memory() { return wanted; }

}  // namespace sd
