#pragma once

#include <string_view>
#include <vector>

#include "cli/plan/control_plan.h"
#include "cli/plan/draw_plan.h"
#include "sd/image/image.h"
#include "sd/image/region_weights.h"

namespace sd::cli {

/// A grey mask as the plan's options shape it: turned around, grown, softened.
Image shaped_mask(const DrawPlan& plan, const Image& mask);
/// Throws UsageError, beginning with `option`, where nothing is left of a shaped mask.
void require_white(const DrawPlan& plan, const Image& shaped, std::string_view option);

/// A tenth of some latent pixel: a region that has less everywhere is not seen.
inline constexpr float kSeenWeight = 0.1F;
/// How much the base and the regions of a plan count at each latent pixel. Throws UsageError for
/// pixels that no prompt covers.
RegionWeights planned_region_weights(const DrawPlan& plan);

/// Tells the shares of the picture that masks and regions of `controls` come to, as a run reports
/// them, reading the masks' files: `editable` of masks and of a blend by a mask, `covers` of
/// regions. The mask of --auto-mask is made by the model and stays without. Throws UsageError for
/// an empty mask and for regions that leave a place without a prompt, IoError for a file that
/// cannot be read.
void find_shares(const DrawPlan& plan, std::vector<PlannedControl>& controls);

}  // namespace sd::cli
