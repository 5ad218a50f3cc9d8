#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

class MappedFile;

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

/// Bytes of one element.
std::size_t size_of(DType dtype);
/// "F16", "BF16", …: the names of the safetensors format.
std::string_view name_of(DType dtype);

/// One tensor inside a file, not copied. `bytes` spans the elements from the first to the last that
/// `strides` reach.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;       // in elements; empty means C-contiguous
  std::span<const std::byte> bytes;   // little endian
  std::shared_ptr<const void> owner;  // keeps `bytes` alive
  const MappedFile* mapping =
      nullptr;  // the file mapping that `bytes` lie in, kept alive by `owner`
};

/// How a file holds one tensor.
struct StoredAs {
  std::string_view type;  // name_of its dtype, or "Q4_0" and the like of what is quantised
  uint64_t bytes = 0;
};

/// "[320, 4, 3, 3]"
std::string shape_text(std::span<const int64_t> shape);

/// Named tensors of a checkpoint, found lazily. Readers check every offset against the file when
/// they open it, so `at` cannot read outside. Thread-compatible; `at` is const.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  /// All names, in the file's order.
  virtual const std::vector<std::string>& names() const = 0;
  virtual bool contains(std::string_view name) const = 0;
  /// Throws CheckpointError if there is no such tensor, or if what the file says of it is not a
  /// plain tensor.
  virtual TensorView at(std::string_view name) const = 0;
  /// Shape and dtype only (no bytes needed); same errors as `at`.
  virtual TensorView describe(std::string_view name) const { return at(name); }
  /// How the file holds the tensor, which may differ from what `at` gives. Same errors as `at`,
  /// except that types which `at` cannot read are named, too.
  virtual StoredAs stored(std::string_view name) const;
  /// What to call it in messages: the path the user gave.
  virtual const std::string& label() const = 0;
};

}  // namespace sd
