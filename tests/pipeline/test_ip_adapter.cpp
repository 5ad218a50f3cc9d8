// IP-Adapters against what diffusers makes of the same weights
// (tests/tools/make_ip_adapter_values.py).
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include "sd/control/map_recorder.h"
#include "sd/core/error.h"
#include "sd/image/clip_pixels.h"
#include "sd/pipeline/image_prompt.h"
#include "sd/pipeline/txt2img.h"
#include "sd/pipeline/word_maps.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/ip_adapter_files.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::Golden;
using test::relative_difference;
using test::tiny_model;

/// Adapters and their tower in a folder of their own.
class IpAdapterTest : public testing::TestWithParam<const char*> {
 protected:
  IpAdapterTest() { test::write_tower(folder_.path()); }

  std::filesystem::path add(const std::string& kind) const {
    const auto path = folder_ / (kind + ".safetensors");
    test::write_text(path, test::weights_file(test::adapter_shapes(kind)));
    return path;
  }
  ImagePromptRequest request_of(const std::string& kind, double weight = 0.8) const {
    ImagePromptRequest request;
    request.adapter = add(kind);
    request.picture = test::followed_picture();
    request.weight = weight;
    return request;
  }

  test::TempFolder folder_;
};

Txt2ImgRequest drawing(std::vector<std::shared_ptr<const ImagePrompt>> prompts) {
  Txt2ImgRequest request;
  request.prompts = {"a red circle on a table"};
  request.negative_prompt = "blurry";
  request.width = request.height = 64;
  request.steps = 4;
  request.start_latents = Golden("goldens/ip_adapter.safetensors")["noise"];
  request.decode = false;
  request.image_prompts = std::move(prompts);
  return request;
}

torch::Tensor drawn(const ImagePromptRequest& request) {
  return draw_prompts(tiny_model(),
                      drawing({std::make_shared<const ImagePrompt>(tiny_model(), request)}))
      .latents;
}

torch::Tensor without() { return draw_prompts(tiny_model(), drawing({})).latents; }

TEST_P(IpAdapterTest, TokensAreThoseOfDiffusers) {
  const std::string kind = GetParam();
  const ImagePrompt prompt(tiny_model(), request_of(kind));
  EXPECT_EQ(name_of(prompt.info().kind), kind);
  const auto both = at::cat({prompt.blank_tokens(), prompt.tokens()});  // [2,T,32]
  const auto some = both.slice(1, 0, both.size(1), std::max<int64_t>(both.size(1) / 8, 1));
  EXPECT_LT(relative_difference(some, Golden("goldens/ip_adapter.safetensors")[kind + "_tokens"]),
            1e-5);
}

// Two programs sum in different orders, which guidance of 7.5 and four steps multiply.
TEST_P(IpAdapterTest, LatentsAreThoseOfDiffusers) {
  const std::string kind = GetParam();
  const auto expected = Golden("goldens/ip_adapter.safetensors")[kind + "_latents"];
  const auto latents = drawn(request_of(kind));
  EXPECT_LT(relative_difference(latents, expected), 1e-4);
  EXPECT_GT(relative_difference(without(), expected), 1e-2);
}

INSTANTIATE_TEST_SUITE_P(Kinds, IpAdapterTest, testing::Values("plain", "plus", "full"));

TEST(ClipPixels, AreThoseOfTransformers) {
  auto pixels = clip_pixels(test::followed_picture(), 224);
  const auto all = at::from_blob(pixels.data(), {1, 3, 224, 224}, at::kFloat);
  const auto some = all.slice(2, 0, 224, 28).slice(3, 0, 224, 28);
  EXPECT_TRUE(some.equal(Golden("goldens/ip_adapter.safetensors")["pixels"].cpu()));
}

using IpAdapter = IpAdapterTest;

TEST_F(IpAdapter, AWeightOfZeroChangesNothing) {
  EXPECT_TRUE(drawn(request_of("plain", 0)).equal(without()));
}

TEST_F(IpAdapter, OutsideOfItsStepsItIsNotFollowed) {
  auto request = request_of("plain");
  request.steps = {0.1, 0.2};  // no whole step of four
  EXPECT_TRUE(drawn(request).equal(without()));
  request.steps = {0.5, 1};
  const auto late = drawn(request);
  EXPECT_FALSE(late.equal(without()));
  EXPECT_FALSE(late.equal(drawn(request_of("plain"))));
}

TEST_F(IpAdapter, SeveralAddUp) {
  const auto half = std::make_shared<const ImagePrompt>(tiny_model(), request_of("plus", 0.4));
  const auto twice = draw_prompts(tiny_model(), drawing({half, half})).latents;
  EXPECT_LT(relative_difference(twice, drawn(request_of("plus", 0.8))), 1e-5);
}

TEST_F(IpAdapter, WeightsByBlockFollowInSomeBlocksAlone) {
  auto request = request_of("plain");
  const auto linear = drawn(request);
  request.weights = IpWeights::kStyle;
  const auto style = drawn(request);
  request.weights = IpWeights::kComposition;
  EXPECT_GT(relative_difference(style, linear), 1e-3);
  EXPECT_GT(relative_difference(drawn(request), style), 1e-3);
}

TEST_F(IpAdapter, ControllersSeeThePromptsAttentionAlone) {
  auto request = drawing({std::make_shared<const ImagePrompt>(tiny_model(), request_of("plain"))});
  const auto plain = draw_prompts(tiny_model(), request).latents;
  MapRecorder recorder;
  request.controller = &recorder;
  EXPECT_TRUE(draw_prompts(tiny_model(), request).latents.equal(plain));
  EXPECT_EQ(token_maps(recorder, 0, 8, 8).size(0), 77);
}

TEST_F(IpAdapter, AnExplicitControllersWayGivesTheSame) {
  auto request = drawing({std::make_shared<const ImagePrompt>(tiny_model(), request_of("plain"))});
  const auto fused = draw_prompts(tiny_model(), request).latents;
  test::Onlooker onlooker;
  request.controller = &onlooker;
  EXPECT_LT(relative_difference(draw_prompts(tiny_model(), request).latents, fused), 1e-5);
}

TEST_F(IpAdapter, OpenClipsNamesAreReadAsWell) {
  const auto expected = ImagePrompt(tiny_model(), request_of("plain")).tokens();
  // The same numbers under the other naming: fused projections, the last one transposed.
  const auto path = folder_ / "open_clip.safetensors";
  test::write_text(path, test::openclip_tower());
  test::write_text(folder_ / "config.json", test::kTowerConfig);
  auto request = request_of("plain");
  request.vision = path;
  EXPECT_LT(relative_difference(ImagePrompt(tiny_model(), request).tokens(), expected), 1e-6);
}

TEST_F(IpAdapter, WhatDoesNotFitIsRefused) {
  auto shapes = test::adapter_shapes("plain");
  const auto refused = [&](const std::string& part) {
    auto request = request_of("plain");
    request.adapter = folder_ / "other.safetensors";
    test::write_text(request.adapter, test::weights_file(shapes));
    test::expect_error<CheckpointError>([&] { ImagePrompt(tiny_model(), request); },
                                        "other.safetensors", part);
  };
  shapes["ip_adapter.5.to_k_ip.weight"] = {16, 32};
  refused("'ip_adapter.5.to_k_ip.weight' has shape [16, 32], expected [32, 32]");
  shapes = test::adapter_shapes("plain");
  shapes.erase("ip_adapter.31.to_k_ip.weight");
  refused("an adapter for 15 layers");
  shapes = test::adapter_shapes("plain");
  shapes["image_proj.proj.weight"] = {128, 48};
  refused("takes an embedding of 48 numbers, the vision tower makes 40");
  shapes = test::adapter_shapes("plain");
  shapes["ip_adapter.0.to_q_lora.down.weight"] = {4, 32};
  refused("FaceID");
  for (auto& [name, shape] : shapes = test::adapter_shapes("plain"))
    if (name.starts_with("ip_adapter.")) shape[1] = 2048;
  refused("Stable Diffusion XL");
  shapes = {{"lora_unet_x.lora_down.weight", {1, 1}}};
  refused("expected an IP-Adapter");
}

}  // namespace
}  // namespace sd
