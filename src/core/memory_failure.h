#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sd {

/// Whether a library's or the kernel's message says that there was no memory. LibTorch, oneDNN and
/// the dynamic loader tell so in words only.
bool tells_of_memory(std::string_view message);

/// Whether errno means that: ENOMEM, and EAGAIN where a thread was to begin.
bool means_no_memory(int error);

/// note_wanted_memory keeps the size of an allocation that failed, so that messages can say how
/// much is needed. wanted_memory returns the size that was kept last, 0 if there is none.
void note_wanted_memory(std::size_t bytes);
int64_t wanted_memory();

}  // namespace sd
