#pragma once

#include <cstddef>

namespace sd::kernels {

/// Memory that a task of a kernel needs while it runs: at least `bytes`, aligned to 64. It is this
/// thread's, stays for its next tasks, and the next call on the same thread may give it to others,
/// so a task takes all that it needs in one call.
std::byte* thread_scratch(std::size_t bytes);

}  // namespace sd::kernels
