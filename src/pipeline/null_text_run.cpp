#include "pipeline/null_text_run.h"

#include <cmath>
#include <utility>

#include "sd/core/error.h"
#include "sd/pipeline/null_text.h"

namespace sd {
namespace {

NullTextRequest null_text_request(const InversionRequest& request,
                                  const torch::Tensor& unconditional, const Inversion& inversion) {
  NullTextRequest wanted;
  wanted.path = inversion.path.flip(0);  // a copy that gradients may be taken along
  for (const double t : inversion.timesteps) wanted.timesteps.push_back(std::llround(t));
  wanted.alphas.assign(inversion.alphas.begin(), inversion.alphas.end() - 1);
  wanted.alphas_prev.assign(inversion.alphas.begin() + 1, inversion.alphas.end());
  wanted.context = inversion.context.clone().unsqueeze(0);
  wanted.unconditional = unconditional.clone().unsqueeze(0);
  wanted.guidance_scale = request.inversion_guidance;
  return wanted;
}

/// What an earlier run knew; nothing where it was of something else.
NullTextState state_of(const Inversion& earlier, const Inversion& inversion) {
  const bool same = earlier.method == InversionMethod::kNullText &&
                    earlier.guidance == inversion.guidance && earlier.alphas == inversion.alphas &&
                    earlier.prompt == inversion.prompt && earlier.path.equal(inversion.path) &&
                    earlier.context.equal(inversion.context);
  if (!same) {
    throw UsageError(
        "what an earlier run left is of another picture, prompt, model or of other settings\nGive "
        "another --output, or remove that file.");
  }
  if (!earlier.latents.defined()) return {};
  return {earlier.unconditional.size(0), earlier.unconditional, earlier.latents};
}

}  // namespace

void optimise_inversion(const LoadedModel& model, const InversionRequest& request,
                        const torch::Tensor& unconditional, Inversion& inversion) {
  NullTextState state;
  if (request.resume) state = state_of(*request.resume, inversion);
  const auto on_step = [&](const NullTextReport& report) {
    inversion.unconditional = report.state.embeddings;
    inversion.latents = report.state.latents;
    if (request.on_partial && report.step + 1 < report.num_steps) request.on_partial(inversion);
    return !request.on_progress ||
           request.on_progress({Progress::Stage::kSample, report.step + 1, report.num_steps});
  };
  const auto wanted = null_text_request(request, unconditional, inversion);
  inversion.unconditional = optimise_null_text(model, wanted, std::move(state), on_step).embeddings;
  inversion.latents = torch::Tensor();
}

}  // namespace sd
