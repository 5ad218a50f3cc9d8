#pragma once

#include "trainer/adapter_settings.h"
#include "trainer/run_context.h"

namespace sd::train {

/// Trains a LoRA (arXiv:2106.09685) on the settings' pictures and writes it in kohya's format.
/// Returns false if the user stopped it; the same call goes on then. Throws as train_adapter,
/// lora_targets and load_frozen.
bool train_lora(const RunContext& run, const LoraSettings& settings);

}  // namespace sd::train
