#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sd/weights/tensor_source.h"

namespace sd::test {

/// Some of the tensors of another source, which outlives it.
class PartSource final : public TensorSource {
 public:
  PartSource(const TensorSource& whole, std::vector<std::string> names)
      : whole_(whole), names_(std::move(names)) {}

  const std::vector<std::string>& names() const override { return names_; }
  bool contains(std::string_view name) const override {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  TensorView at(std::string_view name) const override { return whole_.at(name); }
  const std::string& label() const override { return whole_.label(); }

 private:
  const TensorSource& whole_;
  std::vector<std::string> names_;
};

}  // namespace sd::test
