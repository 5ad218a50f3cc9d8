#pragma once

#include <filesystem>
#include <optional>

namespace sd::cli {

/// What `sd invert` is asked for beside the options of drawing.
struct InvertSettings {
  std::filesystem::path out;                         // the file that is written
  std::optional<double> guidance;                    // absent: usual_inversion_guidance
  std::optional<std::filesystem::path> reconstruct;  // a picture of what inversion alone keeps
  bool resume = false;  // go on with null-text optimisation that `out` has the first steps of
};

}  // namespace sd::cli
