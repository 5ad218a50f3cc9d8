#pragma once

#include <memory>

#include "sd/core/model_config.h"
#include "sd/nn/shared_attention.h"
#include "sd/pipeline/row_sharing.h"

namespace sd {

/// Who says which rows look at which, by the one method that the settings have; null for none.
std::shared_ptr<RowSharer> make_sharer(const RowSharing& sharing, const UNetConfig& unet);

/// Whether cross-image attention looks at the appearance in some layer of a step, not at the
/// structure.
bool looks_at_appearance(const AppearanceSettings& settings, const StepInfo& step);

}  // namespace sd
