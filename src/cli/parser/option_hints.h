#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/parser/app_outline.h"

namespace sd::cli {

/// What to say of a name that other programs know and `options` do not: what it may mean here, or
/// that there is nothing of the kind. `name` is as typed ("-n", "--upscale") or a key of JSON or
/// settings ("n"). Empty, or lines that begin with a line break, to be appended to an error.
std::string foreign_name_hint(std::string_view name, const std::vector<OptionOutline>& options);

}  // namespace sd::cli
