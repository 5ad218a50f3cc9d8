#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sd::cli {

/// An option and the values that it takes in turn.
struct GridAxis {
  std::string key;  // as typed
  std::vector<std::string> values;
};

/// "scale=1.5,3;sampler=ddim,plms": axes with `;` between, values with `,`. Within double quotes
/// both are text, as they are behind a backslash; blanks around values are dropped. Throws
/// UsageError, beginning with "--grid:", for an axis without key or values, an open quote, or two
/// axes of one name.
std::vector<GridAxis> parse_grid(std::string_view text);

}  // namespace sd::cli
