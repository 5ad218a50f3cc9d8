#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/tensor_source.h"

namespace sd::test {

/// Names and shapes (F16, without bytes) for tests of what names and shapes tell.
class MapSource final : public TensorSource {
 public:
  MapSource() = default;
  /// All names and shapes of another source.
  explicit MapSource(const TensorSource& other) {
    for (const auto& name : other.names()) set(name, other.describe(name).shape);
  }

  void set(const std::string& name, std::vector<int64_t> shape) {
    erase(name);
    names_.push_back(name);
    shapes_.push_back(std::move(shape));
  }
  void erase(const std::string& name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) return;
    shapes_.erase(shapes_.begin() + (found - names_.begin()));
    names_.erase(found);
  }
  /// Erases every name that begins with `prefix`.
  void erase_all(const std::string& prefix) {
    for (std::size_t i = names_.size(); i-- > 0;) {
      if (names_[i].starts_with(prefix)) erase(std::string(names_[i]));
    }
  }

  const std::vector<std::string>& names() const override { return names_; }
  bool contains(std::string_view name) const override {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  const std::string& label() const override { return label_; }
  TensorView at(std::string_view name) const override {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) throw CheckpointError("no tensor '" + std::string(name) + "'");
    TensorView view;
    view.dtype = DType::kF16;
    view.shape = shapes_[static_cast<std::size_t>(found - names_.begin())];
    return view;
  }

 private:
  std::string label_ = "a model";
  std::vector<std::string> names_;
  std::vector<std::vector<int64_t>> shapes_;
};

}  // namespace sd::test
