#include "cli/options/size_option.h"

#include <fmt/format.h>

#include "cli/options/draw_limits.h"
#include "cli/options/draw_options.h"
#include "cli/options/option_values.h"
#include "sd/core/error.h"

namespace sd::cli {

PictureSize parse_size(const std::string& text) {
  const auto cross = text.find_first_of("xX*,");  // a JSON list of two is joined with a comma
  const auto side = [&](const std::string& part) {
    try {
      return parse_whole("--size", part, kSideRange);
    } catch (const UsageError&) {
      throw UsageError(
          fmt::format("--size: '{}' is not WIDTHxHEIGHT, such as 512x768, nor one number for both "
                      "sides; each from {} to {}",
                      text, kSideRange.least, kSideRange.most));
    }
  };
  const auto width = side(text.substr(0, cross));
  return {width, cross == std::string::npos ? width : side(text.substr(cross + 1))};
}

void read_size(DrawOptions& options, const std::string&, const std::string& text) {
  const auto size = parse_size(text);
  if (!options.W) options.W = size.width;
  if (!options.H) options.H = size.height;
}

}  // namespace sd::cli
