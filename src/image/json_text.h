#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace sd {

/// The JSON object that `text` holds, if it holds that and nothing else. Nothing also for an object
/// that is nested deeper, or has more members, than any program writes: it would overflow the
/// stack, or take minutes. NaN and Infinity, which Python writes, are null.
std::optional<nlohmann::ordered_json> parse_object(std::string_view text);

}  // namespace sd
