#include "sd/pipeline/txt2img.h"

namespace sd {

Txt2ImgResult txt2img(const LoadedModel& model, const Txt2ImgRequest& request, NoiseSource& noise) {
  DrawRequest batch(request);
  batch.targets = {request.prompts};
  return draw(model, batch, noise);
}

Txt2ImgResult draw_prompts(const LoadedModel& model, const Txt2ImgRequest& request) {
  auto noise = noise_of(model, request);
  return txt2img(model, request, noise);
}

}  // namespace sd
