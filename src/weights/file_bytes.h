#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace sd {

class MappedFile;

/// The bytes of one file, and what keeps them alive.
struct FileBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  const MappedFile* mapping = nullptr;  // where they lie, if in a mapping; see TensorView::mapping
};

}  // namespace sd
