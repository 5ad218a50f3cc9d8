#pragma once

#include <string>
#include <string_view>

#include "sd/weights/tensor_source.h"

namespace sd {

/// What a set of tensors seems to be, told by names and by the shapes of two tensors.
struct Family {
  std::string name;      // "Stable Diffusion v1", "LoRA", …
  bool drawable = true;  // pictures can be drawn from it
  std::string advice;    // otherwise: what to do
};

/// What to do with a textual inversion embedding that was given as a model.
inline constexpr std::string_view kEmbeddingAdvice =
    "Give it with --embedding, beside a model, and write its name in the prompt.";

/// Likewise with an IP-Adapter.
inline constexpr std::string_view kIpAdapterAdvice =
    "Give it with --ip-adapter ADAPTER:PICTURE, beside a model.";

/// True for Stable Diffusion 2: a UNet with linear projections, and OpenCLIP's text encoder as far
/// as there is one.
bool is_second_generation(const TensorSource& tensors);

Family guess_family(const TensorSource& tensors);

/// Throws CheckpointError with the family's name and advice unless it is drawable.
void require_drawable(const TensorSource& tensors);

}  // namespace sd
