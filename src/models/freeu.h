#pragma once

#include <torch/types.h>

#include "sd/core/model_config.h"
#include "sd/nn/forward_edits.h"

namespace sd {

/// FreeU (arXiv:2309.11497) before output block number `stage`: the backbone's features h and what
/// skips to it, both [R,C,h,w]. The first version changes the two deepest levels, as diffusers
/// does; the second the levels where h has four or two times the base width, as published.
void apply_freeu(const FreeU& freeu, const UNetConfig& config, int64_t stage, torch::Tensor& h,
                 torch::Tensor& skip);

}  // namespace sd
