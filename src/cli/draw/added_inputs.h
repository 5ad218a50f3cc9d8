#pragma once

#include <memory>
#include <vector>

#include "cli/draw/input_picture.h"
#include "cli/options/control_net_options.h"
#include "cli/options/image_prompt_options.h"
#include "sd/pipeline/control_net.h"
#include "sd/pipeline/image_prompt.h"

namespace sd::cli {

/// The pictures that a run follows, looked at. Throws as ImagePrompt does.
std::vector<std::shared_ptr<const ImagePrompt>> image_prompts_of(const LoadedModel& model,
                                                                 const ImagePromptOptions& options,
                                                                 const RunInputs& inputs);

/// A run's control nets, loaded in their order, with what each is shown and how.
std::vector<ControlUse> control_uses_of(
    const ControlNetOptions& options, const RunInputs& inputs,
    const std::vector<std::shared_ptr<const LoadedControl>>& nets);

/// Their files, in order.
std::vector<std::filesystem::path> control_files(const ControlNetOptions& options);

}  // namespace sd::cli
