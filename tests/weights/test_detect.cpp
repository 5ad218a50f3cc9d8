#include <gtest/gtest.h>

#include <string>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "support/expect_error.h"
#include "support/map_source.h"
#include "weights/family.h"

namespace sd {
namespace {

using test::expect_error;
using test::MapSource;

constexpr const char* kFirst = "model.diffusion_model.input_blocks.0.0.weight";

/// Names and shapes of the tiny model, to be changed.
MapSource tiny() {
  static const auto model = open_model(std::filesystem::path(SD_TEST_DATA) / "tiny-v1.ckpt");
  return MapSource(*model.tensors);
}

void expect_refused(const MapSource& source, std::string_view part) {
  expect_error<CheckpointError>([&] { detect_config(source, {}); }, "a model", part);
}

TEST(Detect, AttentionMayBeMissingAtTheDeepestLevel) {
  auto source = tiny();
  for (const char* block : {"7", "8"}) {
    source.erase_all("model.diffusion_model.input_blocks." + std::string(block) + ".1.");
  }
  EXPECT_EQ(detect_config(source, {}).unet.attention_resolutions, (std::vector<int64_t>{2, 1}));
}

TEST(Detect, WhatWeightsDoNotTellComesFromTheBase) {
  ModelConfig base;
  base.unet.num_heads = 3;
  base.vae.norm_groups = 16;
  base.scale_factor = 0.5;
  const auto config = detect_config(tiny(), base);
  EXPECT_EQ(config.unet.num_heads, 3);
  EXPECT_EQ(config.vae.norm_groups, 16);
  EXPECT_EQ(config.scale_factor, 0.5);
  EXPECT_EQ(config.unet.model_channels, 32);
}

TEST(Detect, LinearProjectionsAreSeen) {
  auto source = tiny();
  source.set("model.diffusion_model.middle_block.1.proj_in.weight", {64, 64});
  EXPECT_TRUE(detect_config(source, {}).unet.use_linear_in_transformer);
}

TEST(Detect, DeeperTransformersAreSeen) {
  auto source = tiny();
  source.set("model.diffusion_model.middle_block.1.transformer_blocks.1.norm1.weight", {64});
  EXPECT_EQ(detect_config(source, {}).unet.transformer_depth, 2);
}

TEST(Detect, WhatTheUNetTakesBesideLatentsIsTold) {
  auto source = tiny();
  EXPECT_EQ(detect_config(source, {}).extra(), UNetExtra::kNone);
  source.set(kFirst, {32, 9, 3, 3});
  EXPECT_EQ(detect_config(source, {}).extra(), UNetExtra::kMaskedPicture);
  EXPECT_EQ(guess_family(source).name, "Stable Diffusion v1 inpainting");
  source.set(kFirst, {32, 8, 3, 3});
  EXPECT_EQ(detect_config(source, {}).extra(), UNetExtra::kPicture);
  EXPECT_EQ(guess_family(source).name, "InstructPix2Pix");
  EXPECT_EQ(detect_config(source, {}).latent_channels(), 4);
}

TEST(Detect, ModelsWithOtherInputsAreNamed) {
  auto source = tiny();
  source.set(kFirst, {32, 5, 3, 3});
  expect_refused(source, "depth-guided");
  source.set(kFirst, {32, 3, 3, 3});
  expect_refused(source, "its VAE's latents have 4");
}

TEST(Detect, LinearProjectionsAndOpenClipMeanTheSecondGeneration) {
  auto source = tiny();
  EXPECT_EQ(family_config(source, {}), ModelConfig{});
  EXPECT_EQ(guess_family(source).name, "Stable Diffusion v1");
  const auto names = source.names();
  for (const auto& name : names) {
    if (name.ends_with(".proj_in.weight")) source.set(name, {64, 64});
  }
  source.set("cond_stage_model.model.transformer.resblocks.2.ln_1.weight", {32});
  const auto config = family_config(source, {});
  EXPECT_EQ(config.text, openclip_text());
  EXPECT_EQ(config.unet.num_head_channels, 64);
  EXPECT_EQ(guess_family(source).name, "Stable Diffusion v2");
}

TEST(Detect, MetadataAndMarkersSayWhatIsPredicted) {
  auto source = tiny();
  EXPECT_EQ(family_config(source, {{"modelspec.prediction_type", "v"}}).prediction,
            Prediction::kVelocity);
  EXPECT_EQ(family_config(source, {{"modelspec.prediction_type", "epsilon"}}).prediction,
            Prediction::kNoise);
  source.set("v_pred", {0});
  EXPECT_EQ(family_config(source, {}).prediction, Prediction::kVelocity);
  EXPECT_FALSE(family_config(source, {}).zero_terminal_snr);
}

TEST(Detect, AMarkerOfZeroTerminalSnrMeansThatVelocitiesArePredicted) {
  auto source = tiny();
  source.set("ztsnr", {0});
  const auto config = detect_config(source, family_config(source, {}));
  EXPECT_TRUE(config.zero_terminal_snr);
  EXPECT_EQ(config.prediction, Prediction::kVelocity);
}

TEST(Detect, AnEmbeddedGuidanceScaleIsToldByItsProjection) {
  auto source = tiny();
  EXPECT_EQ(detect_config(source, {}).unet.time_cond_width, 0);
  source.set("model.diffusion_model.time_embed.cond_proj.weight", {64, 24});
  EXPECT_EQ(detect_config(source, {}).unet.time_cond_width, 24);
}

/// The tiny model with the text encoder of LAION-400M's.
MapSource tiny_laion() {
  auto source = tiny();
  source.erase_all("cond_stage_model.");
  const std::string text = "cond_stage_model.transformer.";
  source.set(text + "token_emb.weight", {30522, 32});
  source.set(text + "pos_emb.emb.weight", {77, 32});
  for (const char* half : {"0", "1", "2", "3"}) {
    source.set(text + "attn_layers.layers." + half + ".0.weight", {32});
  }
  source.set(text + "attn_layers.layers.0.1.to_q.weight", {512, 32});
  source.set(text + "attn_layers.layers.1.1.net.0.0.weight", {128, 32});
  return source;
}

TEST(Detect, LaionModelsAreTheirTextEncoder) {
  const auto source = tiny_laion();
  const auto config = detect_config(source, family_config(source, {}));
  EXPECT_EQ(config.text.encoder, TextEncoderKind::kBert);
  EXPECT_EQ(config.text.tokenizer, TokenizerKind::kWordPiece);
  EXPECT_EQ(config.text.padding, 0);
  EXPECT_EQ(config.text.vocabulary, 30522);
  EXPECT_EQ(config.text.width, 32);
  EXPECT_EQ(config.text.positions, 77);
  EXPECT_EQ(config.text.layers, 2);
  EXPECT_EQ(config.text.heads, 8);
  EXPECT_EQ(config.text.feed_forward, 128);
  EXPECT_EQ(config.default_pixels(), 256);
}

TEST(Detect, LaionTextEncodersThatMakeNoneAreRefused) {
  const std::string text = "cond_stage_model.transformer.";
  auto source = tiny_laion();
  source.set(text + "attn_layers.layers.0.1.to_q.weight", {500, 32});
  expect_refused(source, "expected a multiple of 64");
  source = tiny_laion();
  source.erase(text + "pos_emb.emb.weight");
  expect_refused(source, "pos_emb.emb.weight' is missing");
  source = tiny_laion();
  source.set(text + "token_emb.weight", {30522, 48});
  expect_refused(source, "context of width 32, its text encoder gives 48");
}

TEST(Detect, OtherFamiliesAreNamed) {
  const auto beside_unet = [](const std::string& name) {
    auto source = tiny();
    source.erase_all("cond_stage_model.");
    source.set(name, {1});
    return source;
  };
  const auto with = [](const std::string& name) {
    auto source = tiny();
    source.set(name, {1});
    return source;
  };
  expect_refused(
      beside_unet("conditioner.embedders.0.transformer.text_model.final_layer_norm.weight"),
      "Stable Diffusion XL");
  expect_refused(with("model.diffusion_model.label_emb.0.0.weight"), "Stable Diffusion XL");
  expect_refused(with("model.diffusion_model.joint_blocks.0.x"), "Stable Diffusion 3");
  expect_refused(beside_unet("control_model.input_hint_block.0.weight"), "ControlNet");
  expect_refused(beside_unet("lora_unet_down_blocks_0.lora_down.weight"), "LoRA");
}

TEST(Detect, PartsOfAModelAreNamed) {
  auto source = tiny();
  source.erase_all("model.");
  source.erase_all("cond_stage_model.");
  expect_refused(source, "VAE alone");
  source = tiny();
  source.erase_all("model.");
  source.erase_all("first_stage_model.");
  expect_refused(source, "text encoder alone");
  source = tiny();
  source.erase_all("first_stage_model.");
  expect_refused(source, "UNet without a VAE");
  source.erase_all("cond_stage_model.");
  expect_refused(source, "UNet without VAE and text encoder");
  MapSource other;
  expect_refused(other, "without tensors");
  other.set("conv1.weight", {64, 3, 7, 7});
  expect_refused(other, "no known model ('conv1.weight'");
}

TEST(Detect, ShapesThatMakeNoModelAreRefused) {
  auto source = tiny();
  source.set(kFirst, {32, 4});
  expect_refused(source, "expected 4 dimensions");
  source.set(kFirst, {0, 4, 3, 3});
  expect_refused(source, "has shape [0, 4, 3, 3]");
  source.set(kFirst, {int64_t{1} << 40, 4, 3, 3});
  expect_refused(source, "has shape [1099511627776");
  source.set(kFirst, {33, 4, 3, 3});
  expect_refused(source, "expected a multiple of 33");
  source = tiny();
  source.set("model.diffusion_model.input_blocks.2.0.in_layers.2.weight", {64, 32, 3, 3});
  expect_refused(source, "UNet block 2 has 64 channels");
  source = tiny();
  source.erase_all("model.diffusion_model.input_blocks.2.1.");
  expect_refused(source, "attention in 1 of its 2 blocks");
  source = tiny();
  source.erase_all("model.diffusion_model.input_blocks.8.");
  expect_refused(source, "UNet level 2 has 1 residual blocks");
  source = tiny();
  source.erase("first_stage_model.post_quant_conv.weight");
  expect_refused(source, "'first_stage_model.post_quant_conv.weight' is missing");
  source = tiny();
  source.set("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
             {49408, 48});
  expect_refused(source, "context of width 32, its text encoder gives 48");
}

}  // namespace
}  // namespace sd
