#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layer_additions.h"
#include "sd/core/model_config.h"
#include "sd/models/latent_diffusion.h"
#include "trainer/adapter_settings.h"
#include "trainer/flat_parameters.h"

namespace sd::train {

/// A layer that a LoRA is trained for.
struct LoraTarget {
  const LayerImpl* layer = nullptr;
  std::string name;            // as kohya's files have it: "lora_unet_mid_block_attentions_0_…"
  std::vector<int64_t> shape;  // of its weight: [out,in] or [out,in,kh,kw]
};

/// The layers that the settings name, in the model's order. Throws UsageError where a layer is
/// narrower than the rank, and where the text encoder has no place in kohya's files.
std::vector<LoraTarget> lora_targets(LatentDiffusionImpl& model, const LoraSettings& settings);

/// The factors of a LoRA as parameters: up · down beside each layer (arXiv:2106.09685, section 4).
/// `down` begins as kohya's does, uniform within ±1/sqrt(fan in), `up` as 0.
class LoraFactors {
 public:
  LoraFactors(std::vector<LoraTarget> targets, const LoraSettings& settings, torch::Device device);

  FlatParameters& parameters() { return parameters_; }
  const std::vector<LoraTarget>& targets() const { return targets_; }

  /// What the layers add in one forward pass, in the dtype that they compute in; gradients go back
  /// to the float32 parameters.
  LayerAdditions additions(torch::Dtype dtype) const;

 private:
  std::vector<ParameterSlot> slots();

  std::vector<LoraTarget> targets_;
  int64_t rank_;
  double scale_;
  std::vector<torch::Tensor> down_, up_;
  FlatParameters parameters_;
};

}  // namespace sd::train
