#pragma once

#include <cstdint>
#include <string>

namespace sd::cli {

struct DrawOptions;

inline constexpr const char* kSizeOption = "size";

struct PictureSize {
  int64_t width = 0;
  int64_t height = 0;
};

/// "512x768", or "512" for both sides. Throws UsageError.
PictureSize parse_size(const std::string& text);

/// Reads a value of `--size`, another way to say `--W` and `--H`, which are read before it and win
/// over it. Throws UsageError.
void read_size(DrawOptions& options, const std::string& option, const std::string& text);

}  // namespace sd::cli
