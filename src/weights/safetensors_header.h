#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sd {

/// One entry of a header, as it is written there; nothing but its form has been checked.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // from the end of the header
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Limits of one header.
inline constexpr std::size_t kMaxSafetensorsEntries = 200'000;  // SD v1 has some 1,100
inline constexpr std::size_t kMaxSafetensorsDimensions = 16;

/// Reads the JSON of a header without building a tree of it. Throws CheckpointError beginning with
/// `label` if it is not JSON, has another form, or is beyond the limits.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& label);

}  // namespace sd
