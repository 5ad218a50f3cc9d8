#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sd::cli {

/// What a text encoder of `positions` tokens (77 for SD v1) will not see of `prompt`, naming the
/// words; empty if it sees all of it. `what` says whose prompt it is: "the prompt", "line 12".
std::string truncation_notice(std::string_view what, std::string_view prompt, int64_t positions);

}  // namespace sd::cli
