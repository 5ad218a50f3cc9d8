// Values of the original's img2img and of the fork's masked editing on the tiny model
// (tests/data/goldens/img2img.safetensors).
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "pipeline/encode.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/img2img.h"
#include "support/drawing.h"

namespace sd {
namespace {

using test::Golden;
using test::Recorded;
using test::relative_difference;
using test::tiny_model;

constexpr double kTolerance = 1e-4;  // as in test_txt2img_goldens.cpp

const Golden& golden() {
  static const Golden values("goldens/img2img.safetensors");
  return values;
}

Img2ImgRequest reference_request(double strength) {
  Img2ImgRequest request;
  request.prompts = {"a red circle above a blue square", "a photo of a house on a snowy mountain"};
  request.steps = 10;
  request.init_image = golden()["image"];
  request.start_latents = golden()["noise"];
  request.strength = strength;
  request.decode = false;
  return request;
}

torch::Tensor decoded(const torch::Tensor& latents) {
  const c10::InferenceMode inference;
  return decode_to_tensor(tiny_model(), latents);
}

TEST(Img2ImgGolden, TheEncodersMomentsAreEqual) {
  const c10::InferenceMode inference;
  const auto moments = tiny_model().model->vae->encode(golden()["image"]);
  EXPECT_LT(relative_difference(moments.mean, golden()["moments_mean"]), kTolerance);
  EXPECT_LT(relative_difference(moments.log_variance, golden()["moments_logvar"]), kTolerance);
  EXPECT_LT(relative_difference(encode_pictures(tiny_model(), golden()["image"]), golden()["x0"]),
            kTolerance);
}

class Img2ImgGolden : public testing::TestWithParam<const char*> {};

TEST_P(Img2ImgGolden, StartEveryStepAndPictureAreEqual) {
  const std::string name = std::string("s") + GetParam();
  auto request = reference_request(std::stod(GetParam()));
  SeededNoise unused(0, RngChoice::kCpu, test::device());
  Recorded recorded(request);
  const auto result = img2img(tiny_model(), request, unused);
  const auto full = uniform_steps(NoiseSchedule::sqrt_linear(0.00085, 0.0120, 1000), request.steps);
  const auto start = start_midway(full, steps_at_strength(request.strength, request.steps));
  EXPECT_LT(relative_difference(add_noise(golden()["x0"], golden()["noise"], start.alpha),
                                golden()[name + "_encoded"]),
            kTolerance);
  recorded.latents.front() = golden()[name + "_encoded"];  // a run reports from its first step on
  test::expect_equal_steps(recorded.latents, golden()[name + "_latents"], name, kTolerance);
  EXPECT_LT(relative_difference(decoded(result.latents), golden()[name + "_image"]), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Strengths, Img2ImgGolden, testing::Values("0.75", "0.5"),
                         [](const auto& strength) {
                           return "strength_" + std::string(strength.param).substr(2);
                         });

TEST(Img2ImgGolden, TheMaskedEditIsEqual) {
  auto request = reference_request(0.7);
  request.mask = golden()["mask"];
  test::StoredNoise noise(golden()["edit_q_noise"]);
  const auto result = img2img(tiny_model(), request, noise);
  EXPECT_LT(relative_difference(result.latents, golden()["edit_final_latents"]), kTolerance);
  EXPECT_LT(relative_difference(decoded(result.latents), golden()["edit_image"]), kTolerance);
}

}  // namespace
}  // namespace sd
