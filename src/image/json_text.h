#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace sd {

/// The JSON object that `text` is as a whole, or nothing: also for one that is nested deeper or has
/// more members than any program writes, which would cost the stack or minutes. NaN and Infinity,
/// which Python writes, are null.
std::optional<nlohmann::ordered_json> parse_object(std::string_view text);

}  // namespace sd
