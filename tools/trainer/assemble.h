#pragma once

#include <filesystem>

#include "sd/pipeline/load.h"
#include "trainer/flat_parameters.h"
#include "trainer/run_context.h"
#include "trainer/tensor_file.h"
#include "trainer/vocabulary.h"

namespace sd::train {

/// A whole model by CompVis names, float32: the UNet and text encoder of `flat` (values or their
/// average) with the embedding expanded to CLIP's vocabulary, and the autoencoder's weights.
TensorMap assemble(const FlatParameters& parameters, const torch::Tensor& flat,
                   const CompactVocabulary& vocabulary, const TensorMap& vae);

/// Such a model ready to draw.
LoadedModel ready_to_draw(const RunContext& run, const TensorMap& weights);

/// Draws the recipe's sheet prompts into `path` (PNG): 25 DDIM steps, guidance 5, seed 0.
void draw_sheet(const RunContext& run, const TensorMap& weights, const std::filesystem::path& path);

/// Writes `folder`/model.safetensors (float16) and `folder`/model.yaml.
void export_model(const RunContext& run, const TensorMap& weights,
                  const std::filesystem::path& folder);

}  // namespace sd::train
