#pragma once

#include <cstddef>

namespace sd {

/// Makes LibTorch take the memory of large tensors on the CPU from here, for the rest of the
/// process: freed pieces are kept for the next tensor and lie in huge pages. Where each activation
/// is mapped and unmapped, the kernel's share of a step is an eighth. Once is enough; more calls do
/// nothing.
void keep_tensor_memory();

/// What may stay for the next tensors between two parts of a drawing and between two drawings.
constexpr std::size_t kKeptBetweenParts = std::size_t{64} << 20U;

/// Gives what no tensor holds back to the system, but for `keep` bytes. To be called when a picture
/// is done. Pieces smaller than a huge page between tensors stay, too.
void release_kept_memory(std::size_t keep = kKeptBetweenParts);

struct KeptMemory {
  std::size_t held = 0;    // bytes of tensors
  std::size_t mapped = 0;  // bytes taken of the system for them
};
KeptMemory kept_memory();

}  // namespace sd
