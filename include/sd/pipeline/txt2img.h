#pragma once

#include <string>
#include <vector>

#include "sd/pipeline/draw.h"

namespace sd {

/// One batch: as many pictures as prompts.
struct Txt2ImgRequest : DrawSettings {
  std::vector<std::string> prompts;
};

using Txt2ImgTiming = DrawTiming;
using Txt2ImgResult = DrawResult;

/// Draws prompts from noise. Errors as `draw`.
Txt2ImgResult txt2img(const LoadedModel& model, const Txt2ImgRequest& request, NoiseSource& noise);
/// The same with the noise of the request's seed.
Txt2ImgResult draw_prompts(const LoadedModel& model, const Txt2ImgRequest& request);

}  // namespace sd
