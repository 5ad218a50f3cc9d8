#include "sd/pipeline/img2img.h"

namespace sd {

Img2ImgResult img2img(const LoadedModel& model, const Img2ImgRequest& request, NoiseSource& noise) {
  DrawRequest batch(request);
  batch.targets = {request.prompts};
  batch.init_image = request.init_image;
  batch.strength = request.strength;
  batch.mask = request.mask;
  batch.pixel_mask = request.pixel_mask;
  return draw(model, batch, noise);
}

}  // namespace sd
