// Starting from a picture on the tiny model: 64x64 pictures, four steps.
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "pipeline/encode.h"
#include "sd/control/fork_swap.h"
#include "sd/core/error.h"
#include "sd/pipeline/img2img.h"
#include "sd/pipeline/swap.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/sampler_cases.h"

namespace sd {
namespace {

using test::expect_error;
using test::relative_difference;
using test::tiny_model;

/// A ramp over the picture: black at the left, yellow at the right.
torch::Tensor picture() {
  Image image{.width = 64, .height = 64, .channels = 3, .pixels = {}};
  for (int64_t i = 0; i < 64 * 64; ++i) {
    const auto shade = static_cast<uint8_t>(i % 64 * 4);
    image.pixels.insert(image.pixels.end(), {shade, shade, 0});
  }
  return to_tensor(image);
}

Img2ImgRequest small_request(SamplerKind sampler = SamplerKind::kDdim) {
  Img2ImgRequest request;
  request.prompts = {"a red circle above a blue square"};
  request.init_image = picture();
  request.steps = 4;
  request.sampler = sampler;
  request.decode = false;
  return request;
}

Img2ImgResult drawn(const Img2ImgRequest& request) {
  SeededNoise noise(3, RngChoice::kCpu, test::device());
  return img2img(tiny_model(), request, noise);
}

torch::Tensor encoded() {
  const c10::InferenceMode inference;
  return encode_pictures(tiny_model(), picture()).cpu();
}

TEST(ToTensor, ScalesBytesToMinusOneToOneAndGreyToRgb) {
  const Image grey{.width = 2, .height = 1, .channels = 1, .pixels = {0, 255}};
  const auto tensor = to_tensor(grey);
  ASSERT_EQ(tensor.sizes(), at::IntArrayRef({1, 3, 1, 2}));
  EXPECT_EQ(tensor[0][2][0][0].item<float>(), -1.0F);
  EXPECT_EQ(tensor[0][2][0][1].item<float>(), 1.0F);
}

class MidwayTest : public testing::TestWithParam<SamplerKind> {};

TEST_P(MidwayTest, MaskZeroGivesThePictureItself) {
  auto request = small_request(GetParam());
  request.mask = at::zeros({1, 1, 8, 8});
  EXPECT_TRUE(drawn(request).latents.equal(encoded()));
}

TEST_P(MidwayTest, MaskOneEqualsNoMask) {
  auto request = small_request(GetParam());
  const auto free = drawn(request);
  request.mask = at::ones({1, 1, 8, 8});
  EXPECT_TRUE(drawn(request).latents.equal(free.latents));
}

TEST_P(MidwayTest, OutsideTheMaskThePictureStays) {
  auto request = small_request(GetParam());
  request.mask = at::zeros({1, 1, 8, 8});
  request.mask->narrow(2, 4, 4).fill_(1.0);
  const auto x = drawn(request).latents;
  EXPECT_TRUE(x.narrow(2, 0, 4).equal(encoded().narrow(2, 0, 4)));
  EXPECT_GT(relative_difference(x.narrow(2, 4, 4), encoded().narrow(2, 4, 4)), 0.01);
}

TEST_P(MidwayTest, StrengthSaysHowManyStepsRun) {
  for (const auto& [strength, steps] : {std::pair{0.25, 1}, {0.75, 3}, {1.0, 4}, {0.7, 2}}) {
    auto request = small_request(GetParam());
    request.strength = strength;
    int64_t count = 0;
    request.on_step = [&](const StepReport& step) {
      EXPECT_EQ(step.num_steps, steps);
      ++count;
      return true;
    };
    drawn(request);
    EXPECT_EQ(count, steps) << "strength " << strength;
  }
}

INSTANTIATE_TEST_SUITE_P(Samplers, MidwayTest, testing::ValuesIn(test::all_sampler_kinds()),
                         [](const auto& sampler) { return test::case_name(sampler.param); });

TEST(Img2Img, StrengthZeroIsTheAutoencodersRoundTrip) {
  auto request = small_request();
  request.strength = 0;
  request.decode = true;
  const auto result = drawn(request);
  EXPECT_TRUE(result.latents.equal(encoded()));
  EXPECT_EQ(result.timing.unet_calls, 0);
  EXPECT_EQ(result.pictures.at(0).width, 64);
}

TEST(Img2Img, EtaDrawsNoiseOnTheWay) {
  auto request = small_request();
  const auto plain = drawn(request);
  request.eta = 1.0;
  EXPECT_GT(relative_difference(drawn(request).latents, plain.latents), 1e-3);
}

TEST(Img2Img, EachOfSeveralSamplesEqualsItAlone) {
  auto two = small_request();
  two.prompts = {"a red circle", "a house"};
  SeededNoise noise(5, RngChoice::kCpu, test::device());
  two.start_latents = noise.randn({2, 4, 8, 8});
  auto second = small_request();
  second.prompts = {"a house"};
  second.start_latents = two.start_latents->narrow(0, 1, 1);
  // A batch of another size adds up in another order: float32's rounding through three steps.
  EXPECT_LT(relative_difference(drawn(two).latents.narrow(0, 1, 1), drawn(second).latents), 1e-4);
}

TEST(Img2Img, ASwapOverAPictureKeepsItsSourceAndItsMask) {
  const auto request = small_request();
  SwapRequest pair;
  pair.targets = {{"a green circle above a blue square"}};
  pair.source = request.prompts;
  pair.init_image = request.init_image;
  pair.guidance_scale = request.guidance_scale;
  pair.steps = request.steps;
  pair.decode = false;
  pair.mask = at::zeros({1, 1, 8, 8});
  SeededNoise noise(3, RngChoice::kCpu, test::device());
  const auto result = draw_swap(tiny_model(), pair, noise);
  // The mask holds for targets; a batch of two rows adds up in another order than one of one.
  EXPECT_TRUE(result.targets.at(0).latents.equal(encoded()));
  EXPECT_LT(relative_difference(result.source.latents, drawn(request).latents), 1e-4);
}

TEST(Img2Img, RefusesWhatDoesNotFit) {
  auto request = small_request();
  request.strength = 1.5;
  expect_error<UsageError>([&] { drawn(request); }, "strength is 1.5");
  request = small_request();
  request.mask = at::zeros({1, 1, 4, 4});
  expect_error<UsageError>([&] { drawn(request); }, "mask", "[1, 1, 4, 4]", "[1, 1, 8, 8]");
  request.mask = at::ones({1, 1, 8, 8}) * 2;
  expect_error<UsageError>([&] { drawn(request); }, "outside [0, 1]");
  request = small_request();
  request.init_image = at::zeros({1, 3, 60, 64});
  expect_error<UsageError>([&] { drawn(request); }, "height is 60");
  request.init_image = at::zeros({1, 1, 64, 64});
  expect_error<UsageError>([&] { drawn(request); }, "[1, 1, 64, 64]");
}

}  // namespace
}  // namespace sd
