#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/options/image_prompt_options.h"

namespace sd::cli {

/// "ADAPTER:PICTURE", "ADAPTER:PICTURE:0.6" or "ADAPTER:PICTURE:0.6:0:0.8" (weight, then the
/// fractions of the steps in which it is followed). Throws UsageError, beginning with `option`.
IpAdapterOption parse_ip_adapter(const std::string& option, const std::string& text);

/// Both paths of such a text; none where it cannot be parsed.
std::vector<std::filesystem::path> ip_adapter_paths(const std::string& text);

/// The same text with both paths as `change` makes them; as it is where it cannot be parsed.
std::string with_changed_paths(const std::string& text,
                               const std::function<std::string(const std::string&)>& change);

}  // namespace sd::cli
