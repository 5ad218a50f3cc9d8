#pragma once

#include <string>
#include <vector>

#include "sd/pipeline/draw.h"

namespace sd {

/// One batch drawn over a picture: as many pictures as prompts.
struct Img2ImgRequest : DrawSettings {
  Img2ImgRequest() { guidance_scale = 5.0; }  // the default of the original's script

  std::vector<std::string> prompts;
  torch::Tensor init_image;                 // [1 or N,3,H,W] in [-1,1]; see DrawRequest
  double strength = 0.75;                   // 0 leaves the picture, 1 all but forgets it
  std::optional<torch::Tensor> mask;        // [1 or N,1,h,w]; see DrawRequest
  std::optional<torch::Tensor> pixel_mask;  // [1 or N,1,H,W]
};

using Img2ImgResult = DrawResult;

/// Draws prompts over a picture (SDEdit, arXiv:2108.01073). Errors as `draw`.
Img2ImgResult img2img(const LoadedModel& model, const Img2ImgRequest& request, NoiseSource& noise);

}  // namespace sd
