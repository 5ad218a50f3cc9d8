#include "cli/options/given_options.h"

#include <algorithm>

namespace sd::cli {

std::string dashed(std::string_view option) {
  std::string text(option);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

bool GivenCommand::has(std::string_view option) const {
  const auto wanted = dashed(option);
  return std::any_of(options.begin(), options.end(),
                     [&](const GivenOption& given) { return dashed(given.name) == wanted; });
}

}  // namespace sd::cli
