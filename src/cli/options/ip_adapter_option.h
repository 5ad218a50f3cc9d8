#pragma once

#include <string>

#include "cli/options/image_prompt_options.h"

namespace sd::cli {

/// "ADAPTER:PICTURE", "ADAPTER:PICTURE:0.6" or "ADAPTER:PICTURE:0.6:0:0.8" (weight, then the
/// fractions of the steps in which it is followed). Throws UsageError, beginning with `option`.
IpAdapterOption parse_ip_adapter(const std::string& option, const std::string& text);

}  // namespace sd::cli
