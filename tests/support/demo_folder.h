#pragma once

#include <filesystem>

#include "sd/pipeline/convert.h"
#include "support/temp_folder.h"

namespace sd::test {

/// The demo model as a folder in diffusers' layout, made once for all tests of a program.
inline const std::filesystem::path& demo_folder() {
  static const TempFolder folder;
  static const std::filesystem::path path = [] {
    ConvertRequest request;
    request.source.checkpoint = std::filesystem::path(SD_SOURCE_DIR) / "models/demo";
    request.out = folder / "demo/";
    return convert_model(request).out;
  }();
  return path;
}

}  // namespace sd::test
