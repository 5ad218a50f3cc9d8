#pragma once

#include <filesystem>
#include <string>

#include "trainer/adapter_settings.h"
#include "trainer/frozen_model.h"
#include "trainer/lora_layers.h"
#include "trainer/tensor_file.h"
#include "trainer/training_pictures.h"

namespace sd::train {

/// What kohya's files say of their training (`ss_…`), from what is the same in every run with these
/// settings: no times. `output_name` is the file's without its ending.
Metadata lora_metadata(const LoraSettings& settings, const FrozenModel& model,
                       const TrainingPictures& pictures, int64_t priors,
                       const std::string& output_name);

/// Writes a LoRA as kohya's sd-scripts do: NAME.lora_down.weight, NAME.lora_up.weight and
/// NAME.alpha of each layer, float16, with `metadata`, steps and `sshs_` hashes. Replaces `path`,
/// whole or not at all. Throws IoError.
void write_lora(const std::filesystem::path& path, LoraFactors& factors,
                const LoraSettings& settings, Metadata metadata, int64_t steps);

}  // namespace sd::train
