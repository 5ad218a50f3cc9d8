#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace sd {

/// The bytes of one file, and what keeps them alive.
struct FileBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  bool mapped = false;  // they lie in a read-only mapping of the file, see TensorView::mapped
};

}  // namespace sd
