// One picture on the tiny model v1-deep, as tests/tools/make_inversion_values.py has it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sd/pipeline/inversion.h"
#include "support/drawing.h"
#include "support/family_model.h"

namespace sd::test {

inline const std::string kSource = "a red circle above a blue square";
inline const std::string kTarget = "a green circle above a blue square";

inline const LoadedModel& deep_model() { return family_model(TinyFamily::kV1Deep); }

/// Ramps that differ by channel, [1,3,H,W] in [-1,1].
inline torch::Tensor ramps(int64_t width = 64, int64_t height = 64) {
  Image image{width, height, 3, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<uint8_t>((4 * x + 2 * y * c) % 256));
    }
  }
  return to_tensor(image);
}

inline InversionRequest inversion_request(InversionMethod method, int64_t steps = 5) {
  InversionRequest request;
  request.method = method;
  request.prompt = kSource;
  request.negative_prompt = method == InversionMethod::kEditFriendly ? "blurry" : "";
  request.picture = ramps();
  request.steps = steps;
  request.inversion_guidance = usual_inversion_guidance(method);
  return request;
}

inline Inversion inverted(const InversionRequest& request) {
  SeededNoise noise(9, RngChoice::kCpu, device());
  return invert(deep_model(), request, noise).inversion;
}

/// A swap along an inversion that is drawn with another method than it was made for, or its own.
inline DrawRequest edit_along(Inversion inversion, InversionMethod method) {
  inversion.method = method;
  DrawRequest request;
  request.targets = {{kTarget}};
  request.source = {kSource};
  using enum InversionMethod;
  request.negative_prompt = method == kNegativePrompt || method == kNullText ? "" : "blurry";
  request.steps = inversion.steps;
  request.sampler = inversion.sampler;
  request.guidance_scale = 7.5;
  request.decode = false;
  request.inversion = std::make_shared<const Inversion>(std::move(inversion));
  return request;
}

inline DrawResult drawn(const DrawRequest& request, uint64_t seed = 0) {
  SeededNoise noise(seed, RngChoice::kCpu, device());
  return draw(deep_model(), request, noise);
}

}  // namespace sd::test
