#pragma once

#include <string>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/nn/forward_edits.h"

namespace sd {

/// Where a UNet's attention stands that `text` names (parse_layer_names). Throws UsageError, naming
/// `option`, for no name of a layer and for one where this UNet has no attention.
std::vector<SiteChoice> named_sites(const std::string& option, const std::string& text,
                                    const UNetConfig& unet);

}  // namespace sd
