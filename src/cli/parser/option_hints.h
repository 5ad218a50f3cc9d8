#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/parser/app_outline.h"

namespace sd::cli {

/// A hint for an option name that other programs have and `options` does not: which option it may
/// mean here, or that there is none of the kind. `name` is as typed ("-n", "--upscale") or a key of
/// JSON or settings ("n"). Empty, or lines that begin with a line break, to be appended to an
/// error.
std::string foreign_name_hint(std::string_view name, const std::vector<OptionOutline>& options);

}  // namespace sd::cli
