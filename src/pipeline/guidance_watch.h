#pragma once

#include <memory>

#include "sd/diffusion/denoiser.h"
#include "sd/pipeline/draw_acts.h"

namespace sd {

/// What tells `acts` of concepts and of proximal guidance.
std::shared_ptr<GuidanceWatch> watch_of(std::shared_ptr<DrawActs> acts);

}  // namespace sd
