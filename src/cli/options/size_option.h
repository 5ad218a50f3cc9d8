#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace sd::cli {

struct DrawOptions;

inline constexpr const char* kSizeOption = "size";

struct PictureSize {
  int64_t width = 0;
  int64_t height = 0;
};

/// "512x768", or "512" for both sides. Throws UsageError.
PictureSize parse_size(const std::string& text);

/// Adds `--size`, another way to say `--W` and `--H`, which win over it. Add it behind those.
void add_size_option(CLI::App& app, DrawOptions& options);

}  // namespace sd::cli
