#pragma once

#include "trainer/run_context.h"
#include "trainer/scene.h"
#include "trainer/tensor_file.h"

namespace sd::train {

/// Trains the autoencoder on crops of scenes, then on whole ones: L1, L1 of the picture's
/// gradients (sharp edges) and a small KL term (arXiv:2112.10752, appendix G), in bf16 over float32
/// weights where the CPU has it. Resumes from the stage's state; saves it when done or stopped.
/// Returns false if it was stopped before the end.
bool train_vae(const RunContext& run, const SceneGenerator& scenes,
               const std::filesystem::path& init);

/// The averaged weights of the finished stage by CompVis names, with the latents' mean and
/// deviation per channel folded into the quantisation convolutions: scale_factor · z then has mean
/// 0 and deviation 1 on scenes.
TensorMap finished_vae(const RunContext& run, const SceneGenerator& scenes);

/// The autoencoder's weights of an exported model, float32. Throws CheckpointError if one is
/// missing.
TensorMap vae_of_model(const RunContext& run, const std::filesystem::path& model);

/// Mean peak signal-to-noise ratio (dB) of the round trip over `count` scenes that training never
/// sees.
double vae_psnr(const RunContext& run, const SceneGenerator& scenes, const TensorMap& weights,
                int64_t count);

}  // namespace sd::train
