#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sd {

/// Names in their order, each found in constant time. Every TensorSource keeps its entries beside
/// one.
class NameIndex {
 public:
  /// False, with nothing added, if the name is there already.
  bool add(std::string name) {
    if (!positions_.emplace(name, names_.size()).second) return false;
    names_.push_back(std::move(name));
    return true;
  }

  std::optional<std::size_t> find(std::string_view name) const {
    const auto found = positions_.find(name);
    if (found == positions_.end()) return std::nullopt;
    return found->second;
  }

  const std::vector<std::string>& names() const { return names_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  std::vector<std::string> names_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> positions_;
};

}  // namespace sd
