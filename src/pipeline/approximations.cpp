#include "pipeline/approximations.h"

#include <algorithm>

#include "sd/core/error.h"

namespace sd {

void check_approximations(const LoadedModel& model, const DrawRequest& request) {
  if (request.deepcache > 1 && request.controller != nullptr) {
    throw UsageError(
        "deepcache: between its whole steps no deep layer attends, so attention cannot be "
        "controlled or watched; leave one of the two out");
  }
  if (request.deepcache > 1 && request.added.sag_scale != 0) {
    throw UsageError(
        "deepcache: self-attention guidance (sag) predicts from other latents in every step, which "
        "no kept features are of; leave one of the two out");
  }
  if (request.deepcache > 1 && !request.concept_edits.empty()) {
    throw UsageError(
        "deepcache: a concept is looked for in the attention of every step, and between whole "
        "steps deep layers do not attend; leave one of the two out");
  }
  if (request.deepcache > 1 && !request.controls.empty()) {
    throw UsageError(
        "deepcache: a control net adds to the deep layers in every step, and between its whole "
        "steps they are not computed; leave one of the two out");
  }
  const auto& at = model.config.unet.attention_resolutions;
  if (request.token_merging > 0 && std::find(at.begin(), at.end(), 1) == at.end()) {
    throw UsageError(
        "token_merging: this model has no self-attention at the latents' own size, so no pixel "
        "would be merged");
  }
}

}  // namespace sd
