#include "cli/draw/added_inputs.h"

#include <ATen/core/Tensor.h>

namespace sd::cli {

std::vector<std::shared_ptr<const ImagePrompt>> image_prompts_of(const LoadedModel& model,
                                                                 const ImagePromptOptions& options,
                                                                 const RunInputs& inputs) {
  std::vector<std::shared_ptr<const ImagePrompt>> prompts;
  for (std::size_t i = 0; i < options.adapters.size(); ++i) {
    const auto& one = options.adapters[i];
    prompts.push_back(
        std::make_shared<const ImagePrompt>(model, ImagePromptRequest{.adapter = one.adapter,
                                                                      .vision = options.vision,
                                                                      .picture = inputs.followed[i],
                                                                      .weight = one.weight,
                                                                      .steps = one.steps,
                                                                      .weights = options.weights}));
  }
  return prompts;
}

std::vector<ControlUse> control_uses_of(
    const ControlNetOptions& options, const RunInputs& inputs,
    const std::vector<std::shared_ptr<const LoadedControl>>& nets) {
  std::vector<ControlUse> uses;
  for (std::size_t i = 0; i < nets.size(); ++i) {
    const auto& input = options.inputs[i];
    const auto& shown = inputs.controls[i];
    auto picture = shown.picture;
    if (nets[i]->inpaints && shown.hidden.defined())
      picture = picture.masked_fill(shown.hidden, -1.0);
    uses.push_back({nets[i], picture, {input.weight, input.start, input.end, options.mode_of(i)}});
  }
  return uses;
}

std::vector<std::filesystem::path> control_files(const ControlNetOptions& options) {
  std::vector<std::filesystem::path> files;
  for (const auto& input : options.inputs) files.push_back(input.net);
  return files;
}

}  // namespace sd::cli
