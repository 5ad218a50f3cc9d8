#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "networks/module_keys.h"
#include "sd/networks/apply.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// Elements of a shape that was checked when its file was opened.
int64_t elements_of(std::span<const int64_t> shape);

/// One module of a file, with the checks that every formula needs.
class ModuleReader {
 public:
  ModuleReader(const TensorSource& source, const NetworkModule& module)
      : source_(&source), module_(&module) {}

  const NetworkModule& module() const { return *module_; }
  bool has(NetworkPart part) const { return module_->has(part); }
  /// The shape of a part that is there; refuses what is no tensor of floating-point numbers, what
  /// is empty, and what has more elements than the file has values.
  std::vector<int64_t> shape(NetworkPart part) const;
  /// Its values in float32; refuses NaN and infinities.
  NetworkValues values(NetworkPart part) const;
  /// A single number, integers and truth values too; nothing where the part is not there.
  std::optional<double> number(NetworkPart part) const;

  /// Throws CheckpointError naming file and key.
  [[noreturn]] void fail(NetworkPart part, std::string_view what) const;
  /// The same for a shape: "'KEY' has shape [..], expected WHAT".
  [[noreturn]] void wrong_shape(NetworkPart part, std::string_view expected) const;
  /// Throws CheckpointError that says which half is missing, where `part` is not there.
  void require(NetworkPart part, std::string_view name, NetworkPart beside) const;

 private:
  const TensorSource* source_;
  const NetworkModule* module_;
};

}  // namespace sd
