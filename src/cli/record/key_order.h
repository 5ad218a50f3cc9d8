#pragma once

#include <string>
#include <vector>

#include "cli/options/option_table.h"

namespace sd::cli {

/// Keys in the order that their places say: each behind the one it names, or behind the one before
/// it in `places` where it names none; `after` may be an object's name, "run" for the last of
/// "run.…". Of several behind one key the first in `places` stands first. Places without a key are
/// passed over. Throws std::logic_error for a place behind a key that is nowhere, for a circle and
/// for a key that stands twice.
std::vector<std::string> key_order(const std::vector<KeyPlace>& places);

}  // namespace sd::cli
