// The families beside Stable Diffusion v1, found by their weights, against what diffusers makes of
// the same weights (tests/data/families, written by tests/tools/make_family_values.py).
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <numeric>

#include "pipeline/encode.h"
#include "sd/control/fork_swap.h"
#include "sd/control/map_recorder.h"
#include "sd/control/reweight.h"
#include "sd/core/error.h"
#include "sd/models/config.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/img2img.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "sd/text/alignment.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/family_model.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::expect_error;
using test::family_model;
using test::Golden;
using test::relative_difference;
using test::TinyFamily;

// Two programs sum in different orders: 1e-6 of the largest value a UNet call, which guidance of
// 7.5 and five steps multiply.
constexpr double kTolerance = 1e-4;

const std::vector<std::string> kPrompts = {"a red circle above a blue square",
                                           "a photo of a house on a snowy mountain"};

Golden values_of(TinyFamily family) {
  return Golden("families/" + test::name_of(family) + ".safetensors");
}

/// Ramps that differ by channel, as make_family_values.py has them.
torch::Tensor picture() {
  Image image{.width = 64, .height = 64, .channels = 3, .pixels = {}};
  for (int64_t y = 0; y < 64; ++y) {
    for (int64_t x = 0; x < 64; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        image.pixels.push_back(static_cast<uint8_t>((4 * x + 2 * y * c) % 256));
      }
    }
  }
  return to_tensor(image);
}

/// Of pixels; its edges lie within latent pixels.
torch::Tensor pixel_mask() {
  auto mask = at::zeros({1, 1, 64, 64});
  mask.narrow(2, 12, 32).narrow(3, 20, 44).fill_(1.0);
  return mask;
}

template <typename Request>
void fill_in(Request& request, const torch::Tensor& noise) {
  request.negative_prompt = "blurry";
  request.width = request.height = 64;
  request.steps = 5;
  request.guidance_scale = 7.5;
  request.start_latents = noise;
  request.decode = false;
}

SeededNoise& unused_noise() {
  static SeededNoise noise(0, RngChoice::kCpu, test::device());
  return noise;
}

bool inpaints(TinyFamily family) {
  return family == TinyFamily::kV1Inpainting || family == TinyFamily::kV2Inpainting;
}
bool takes_picture(TinyFamily family) { return inpaints(family) || family == TinyFamily::kPix2Pix; }

Img2ImgRequest picture_request(TinyFamily family) {
  Img2ImgRequest request;
  fill_in(request, values_of(family)["latents"][0]);
  request.prompts = kPrompts;
  request.init_image = picture();
  request.strength = 1.0;
  if (inpaints(family)) request.pixel_mask = pixel_mask();
  return request;
}

class FamilyTest : public testing::TestWithParam<TinyFamily> {};

TEST_P(FamilyTest, TheContextIsEqual) {
  const c10::InferenceMode inference;
  const auto context = encode_prompts(family_model(GetParam()), {kPrompts[0]});  // [1,77,D]
  EXPECT_LT(relative_difference(context[0].slice(0, 0, 77, 5), values_of(GetParam())["context"]),
            1e-5);
}

TEST_P(FamilyTest, EveryStepIsEqual) {
  const auto expected = values_of(GetParam())["latents"];
  const auto check = [&](auto request, auto draw) {
    test::Recorded recorded(request);
    draw(family_model(GetParam()), request, unused_noise());
    test::expect_equal_steps(recorded.latents, expected, test::name_of(GetParam()), kTolerance);
  };
  if (takes_picture(GetParam())) return check(picture_request(GetParam()), img2img);
  Txt2ImgRequest request;
  fill_in(request, expected[0]);
  request.prompts = kPrompts;
  check(request, txt2img);
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyTest,
                         testing::Values(TinyFamily::kV1Velocity, TinyFamily::kV1Inpainting,
                                         TinyFamily::kPix2Pix, TinyFamily::kV2,
                                         TinyFamily::kV2Inpainting, TinyFamily::kV2Velocity),
                         [](const auto& family) {
                           auto name = test::name_of(family.param);
                           std::erase(name, '-');
                           return name;
                         });

/// Token b takes the source's b.
TokenAlignment identity() {
  TokenAlignment alignment{std::vector<double>(77, 1.0), std::vector<int64_t>(77)};
  for (int64_t b = 0; b < 77; ++b) alignment.indices[static_cast<std::size_t>(b)] = b;
  return alignment;
}

/// A source and one target, over a picture where the model takes one.
SwapRequest swap_request(TinyFamily family) {
  SwapRequest request;
  fill_in(request, values_of(family)["latents"][0].narrow(0, 0, 1));
  request.steps = 2;
  request.targets = {{"a green circle above a blue square"}};
  request.source = {kPrompts[0]};
  if (takes_picture(family)) {
    request.init_image = picture();
    request.strength = 1.0;
  }
  if (inpaints(family)) request.pixel_mask = pixel_mask();
  return request;
}

SwapResult swapped(TinyFamily family, AttentionController* controller) {
  auto request = swap_request(family);
  request.controller = controller;
  return draw_swap(family_model(family), request, unused_noise());
}

TEST_P(FamilyTest, ASwapChangesTheTargetAndNotTheSource) {
  ForkSwapOptions options;
  options.alignments = {identity()};
  ForkSwap swap(options);
  const auto plain = swapped(GetParam(), nullptr), edited = swapped(GetParam(), &swap);
  EXPECT_LT(relative_difference(edited.source.latents, plain.source.latents), kTolerance);
  EXPECT_GT(relative_difference(edited.targets[0].latents, plain.targets[0].latents), 1e-3);
}

TEST_P(FamilyTest, ReweightingChangesTheTargetAndNotTheSource) {
  ReweightOptions options;
  options.weights = {{.token = 3, .values = {4.0}}};
  Reweight reweight(options);
  const auto plain = swapped(GetParam(), nullptr), edited = swapped(GetParam(), &reweight);
  EXPECT_LT(relative_difference(edited.source.latents, plain.source.latents), kTolerance);
  EXPECT_GT(relative_difference(edited.targets[0].latents, plain.targets[0].latents), 1e-3);
}

TEST_P(FamilyTest, WatchingMapsChangesNoBit) {
  MapRecorder recorder(MapRecorderOptions{});
  const auto plain = swapped(GetParam(), nullptr), watched = swapped(GetParam(), &recorder);
  EXPECT_TRUE(watched.targets[0].latents.equal(plain.targets[0].latents));
  // Two levels and the middle, two rows of attention up: one row of maps each.
  EXPECT_EQ(recorder.layers().size(), 7u);
}

TEST(Inpainting, WithoutAMaskEverythingIsMasked) {
  auto masked = picture_request(TinyFamily::kV1Inpainting);
  masked.strength = 0.6;
  masked.pixel_mask = at::ones({1, 1, 64, 64});
  auto free = masked;
  free.pixel_mask.reset();
  const auto& model = family_model(TinyFamily::kV1Inpainting);
  EXPECT_TRUE(img2img(model, masked, unused_noise())
                  .latents.equal(img2img(model, free, unused_noise()).latents));
}

TEST(Inpainting, TextAloneIsDrawnUnderAFullMask) {
  const auto& model = family_model(TinyFamily::kV1Inpainting);
  auto masked = picture_request(TinyFamily::kV1Inpainting);
  masked.pixel_mask = at::ones({1, 1, 64, 64});
  Txt2ImgRequest text;
  fill_in(text, *masked.start_latents);
  text.prompts = kPrompts;
  EXPECT_TRUE(txt2img(model, text, unused_noise())
                  .latents.equal(img2img(model, masked, unused_noise()).latents));
}

TEST(Inpainting, AMaskOfLatentsStandsForItsPixels) {
  const auto& model = family_model(TinyFamily::kV1Inpainting);
  auto pixels = picture_request(TinyFamily::kV1Inpainting);
  pixels.pixel_mask = at::zeros({1, 1, 64, 64});
  pixels.pixel_mask->narrow(2, 16, 48).fill_(1.0);
  auto latents = pixels;
  latents.pixel_mask.reset();
  latents.mask = at::zeros({1, 1, 8, 8});
  latents.mask->narrow(2, 2, 6).fill_(0.5);
  EXPECT_TRUE(img2img(model, latents, unused_noise())
                  .latents.equal(img2img(model, pixels, unused_noise()).latents));
}

TEST(Inpainting, StrengthBelowOneBeginsWithThePicture) {
  const auto& model = family_model(TinyFamily::kV1Inpainting);
  auto request = picture_request(TinyFamily::kV1Inpainting);
  request.strength = 0.0;
  const c10::InferenceMode inference;
  const auto untouched = img2img(model, request, unused_noise()).latents;
  EXPECT_LT(relative_difference(untouched[1], encode_pictures(model, picture())[0]), 1e-6);
}

TEST(Inpainting, AMaskOfAnotherSizeIsRefused) {
  auto request = picture_request(TinyFamily::kV1Inpainting);
  request.pixel_mask = at::ones({1, 1, 32, 64});
  expect_error<UsageError>(
      [&] { img2img(family_model(TinyFamily::kV1Inpainting), request, unused_noise()); },
      "[1, 1, 32, 64]", "64,64");
}

TEST(Pix2Pix, WithoutAPictureItSaysWhatItNeeds) {
  Txt2ImgRequest request;
  fill_in(request, values_of(TinyFamily::kPix2Pix)["latents"][0]);
  request.prompts = kPrompts;
  expect_error<UsageError>(
      [&] { txt2img(family_model(TinyFamily::kPix2Pix), request, unused_noise()); },
      "InstructPix2Pix", "--init-img");
}

/// The batch that a controller saw last.
std::vector<RowGroup> rows_of_pix2pix(double scale, double image_scale) {
  test::Onlooker onlooker;
  auto request = swap_request(TinyFamily::kPix2Pix);
  request.controller = &onlooker;
  request.guidance_scale = scale;
  request.image_guidance_scale = image_scale;
  draw_swap(family_model(TinyFamily::kPix2Pix), request, unused_noise());
  return onlooker.last_rows;
}

TEST(Pix2Pix, ControlKnowsItsThreeKindsOfRows) {
  const auto rows = rows_of_pix2pix(7.5, 1.5);
  ASSERT_EQ(rows.size(), 6u);  // a target and the source in each
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].pictured, i >= 2) << i;
    EXPECT_EQ(rows[i].conditional, i >= 4) << i;
    EXPECT_EQ(rows[i].branch == RowGroup::Branch::kSource, i % 2 == 1) << i;
    EXPECT_EQ(rows[i].begin, static_cast<int64_t>(i)) << i;
  }
}

TEST(Pix2Pix, ScalesOfOneSaveRows) {
  EXPECT_EQ(rows_of_pix2pix(7.5, 1.0).size(), 4u);
  EXPECT_EQ(rows_of_pix2pix(1.0, 1.5).size(), 6u);
  EXPECT_EQ(rows_of_pix2pix(1.0, 1.0).size(), 2u);
}

TEST_P(FamilyTest, WithoutAGuidedStepIsAtScalesOfOne) {
  const auto drawn = [](const auto& change) {
    if (takes_picture(GetParam())) {
      auto request = picture_request(GetParam());
      change(request);
      return img2img(family_model(GetParam()), request, unused_noise()).latents;
    }
    Txt2ImgRequest request;
    fill_in(request, values_of(GetParam())["latents"][0]);
    request.prompts = kPrompts;
    change(request);
    return txt2img(family_model(GetParam()), request, unused_noise()).latents;
  };
  const auto none = drawn([](auto& request) { request.guidance_interval = {0.5, 0.5}; });
  const auto ones =
      drawn([](auto& request) { request.guidance_scale = request.image_guidance_scale = 1; });
  EXPECT_TRUE(at::equal(none, ones));
}

TEST(Pix2Pix, AMaskStillKeepsWhatIsOutside) {
  const auto& model = family_model(TinyFamily::kPix2Pix);
  auto request = picture_request(TinyFamily::kPix2Pix);
  request.mask = at::zeros({1, 1, 8, 8});
  const c10::InferenceMode inference;
  EXPECT_LT(relative_difference(img2img(model, request, unused_noise()).latents[0],
                                encode_pictures(model, picture())[0]),
            1e-6);
}

/// A tiny model's file, loaded by what it says of itself.
LoadedModel load_written(TinyFamily family,
                         const std::vector<std::pair<std::string, std::string>>& metadata = {},
                         std::optional<Prediction> prediction = std::nullopt) {
  const test::TempFolder folder;
  LoadRequest request;
  request.checkpoint = folder / "model.safetensors";
  request.prediction = prediction;
  request.dtype = DTypeChoice::kF32;
  request.device = test::device_choice();
  write_family(family, request.checkpoint, metadata);
  return load_model(request);
}

TEST(SecondGeneration, ItsPredictionIsAssumedUnlessSaid) {
  const auto& noise = family_model(TinyFamily::kV2);
  EXPECT_EQ(noise.config.prediction, Prediction::kNoise);
  EXPECT_TRUE(noise.prediction_assumed);
  EXPECT_EQ(noise.config.default_pixels(), 512);
  const auto& velocity = family_model(TinyFamily::kV2Velocity);
  EXPECT_EQ(velocity.config.prediction, Prediction::kVelocity);
  EXPECT_TRUE(velocity.prediction_assumed);
  EXPECT_EQ(velocity.config.default_pixels(), 768);
  const auto told = load_written(TinyFamily::kV2Velocity, {}, Prediction::kNoise);
  EXPECT_EQ(told.config.prediction, Prediction::kNoise);
  EXPECT_FALSE(told.prediction_assumed);
  EXPECT_EQ(told.config.default_pixels(), 512);
}

TEST(SecondGeneration, ItsInpaintingModelsPredictNoise) {
  const auto& model = family_model(TinyFamily::kV2Inpainting);
  EXPECT_EQ(model.config.prediction, Prediction::kNoise);
  EXPECT_FALSE(model.prediction_assumed);
}

TEST(SecondGeneration, TheFullSizeIsThePublishedOne) {
  const auto config = read_config(std::filesystem::path(SD_SOURCE_DIR) /
                                  "configs/stable-diffusion/v2-inference-v.yaml");
  LatentDiffusion model(config);  // without memory
  const auto parameters = [](torch::nn::Module& part) {
    int64_t count = 0;
    for (const auto& slot : parameter_slots(part)) {
      count += std::accumulate(slot.shape.begin(), slot.shape.end(), int64_t{1}, std::multiplies());
    }
    return count;
  };
  // As diffusers and transformers count those of the published folders' configurations.
  EXPECT_EQ(parameters(*model->unet), 865'910'724);
  EXPECT_EQ(parameters(*model->text), 340'387'840);
}

TEST(FirstGeneration, MetadataSayThatAModelPredictsVelocity) {
  const auto model = load_written(TinyFamily::kV1Velocity, {{"modelspec.prediction_type", "v"}});
  EXPECT_EQ(model.config.prediction, Prediction::kVelocity);
  EXPECT_FALSE(model.prediction_assumed);
  EXPECT_EQ(model.config.default_pixels(), 512);
  EXPECT_EQ(load_written(TinyFamily::kV1Velocity).config.prediction, Prediction::kNoise);
}

}  // namespace
}  // namespace sd
