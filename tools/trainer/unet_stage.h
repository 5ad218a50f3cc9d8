#pragma once

#include <filesystem>

#include "trainer/latent_cache.h"
#include "trainer/run_context.h"
#include "trainer/tensor_file.h"

namespace sd::train {

/// Trains UNet and text encoder together on encoded scenes: ε-prediction, weighted as
/// diffusion_loss.h has it, with attention supervision. Resumes from the stage's state; where there
/// is none and `init` names a model, from its weights. Saves the state when done or stopped.
/// Returns false if it was stopped before the end.
bool train_unet(const RunContext& run, const EncodedScenes& scenes, const TensorMap& vae,
                const std::filesystem::path& init);

/// The averaged weights of the stage as a whole model (see assemble). Throws UsageError if the
/// stage has no state.
TensorMap trained_model(const RunContext& run, const TensorMap& vae);

}  // namespace sd::train
