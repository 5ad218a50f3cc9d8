#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "sd/core/error.h"
#include "sd/models/config.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::expect_error;

std::string tiny() { return test::read_text(std::filesystem::path(SD_TEST_DATA) / "tiny-v1.yaml"); }

/// The tiny config with `from` replaced by `to`.
std::string changed(const std::string& from, const std::string& to) {
  auto text = tiny();
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

template <typename... Parts>
void expect_refused(const std::string& yaml, const Parts&... parts) {
  expect_error<UsageError>([&] { parse_config(yaml, "m.yaml"); }, "m.yaml:", parts...);
}

TEST(ModelConfig, ThePublishedConfigIsTheDefault) {
  const auto config = read_config(std::filesystem::path(SD_SOURCE_DIR) /
                                  "configs/stable-diffusion/v1-inference.yaml");
  ModelConfig expected;
  expected.prediction = Prediction::kNoise;
  EXPECT_EQ(config, expected);
}

ModelConfig published(const std::string& name) {
  return read_config(std::filesystem::path(SD_SOURCE_DIR) / "configs" / name);
}

TEST(ModelConfig, ThePublishedConfigsOfOtherFamiliesAreRead) {
  ModelConfig expected;
  expected.prediction = Prediction::kNoise;
  expected.unet.in_channels = 9;
  EXPECT_EQ(published("stable-diffusion/v1-inpainting-inference.yaml"), expected);
  expected.unet.in_channels = 8;
  EXPECT_EQ(published("instruct-pix2pix/generate.yaml"), expected);

  expected.unet.in_channels = 4;
  expected.unet.num_head_channels = 64;
  expected.unet.use_linear_in_transformer = true;
  expected.unet.context_dim = 1024;
  expected.text = openclip_text();
  EXPECT_EQ(published("stable-diffusion/v2-inference.yaml"), expected);
  expected.unet.in_channels = 9;
  EXPECT_EQ(published("stable-diffusion/v2-inpainting-inference.yaml"), expected);
  expected.unet.in_channels = 4;
  expected.prediction = Prediction::kVelocity;
  EXPECT_EQ(published("stable-diffusion/v2-inference-v.yaml"), expected);
}

TEST(ModelConfig, AYamlWithoutParameterizationLeavesWhatMetadataSay) {
  ModelConfig base;
  base.prediction = Prediction::kVelocity;
  EXPECT_EQ(parse_config(tiny(), "m.yaml", base).prediction, Prediction::kVelocity);
  EXPECT_EQ(
      parse_config(changed("use_ema: False", "parameterization: eps"), "m.yaml", base).prediction,
      Prediction::kNoise);
}

TEST(ModelConfig, TheLaionConfigHasABertTextEncoder) {
  const auto config = read_config(std::filesystem::path(SD_SOURCE_DIR) /
                                  "configs/latent-diffusion/txt2img-1p4B-eval.yaml");
  EXPECT_EQ(config.text.encoder, TextEncoderKind::kBert);
  EXPECT_EQ(config.text.tokenizer, TokenizerKind::kWordPiece);
  EXPECT_EQ(config.text.padding, 0);
  EXPECT_EQ(config.text.width, 1280);
  EXPECT_EQ(config.text.layers, 32);
  EXPECT_EQ(config.default_pixels(), 256);
  auto others = config;
  others.text = {};
  others.image_size = 64;
  others.unet.context_dim = 768;
  others.prediction = {};  // a YAML that does not say otherwise means noise
  EXPECT_EQ(others, ModelConfig{});
}

TEST(ModelConfig, ABertTextEncoderHasSettingsOfItsOwn) {
  const auto embedder = [](const std::string& params) {
    return tiny().substr(0, tiny().find("    cond_stage_config:")) +
           "    cond_stage_config:\n      target: ldm.modules.encoders.modules.BERTEmbedder\n"
           "      params:\n        n_embed: 32\n        n_layer: 2\n" +
           params;
  };
  const auto config = parse_config(embedder("        max_seq_len: 20\n"), "m.yaml");
  EXPECT_EQ(config.text.positions, 20);
  EXPECT_EQ(config.text.layers, 2);
  expect_refused(embedder("        use_tokenizer: False\n"), "use_tokenizer");
  expect_refused(embedder("        heads: 2\n"), "cond_stage_config.params.heads");
}

TEST(ModelConfig, ReadsTheTinyConfig) {
  const auto config = parse_config(tiny(), "tiny-v1.yaml");
  EXPECT_EQ(config.image_size, 16);
  EXPECT_EQ(config.default_pixels(), 128);
  EXPECT_EQ(config.unet.model_channels, 32);
  EXPECT_EQ(config.unet.channel_mult, (std::vector<int64_t>{1, 1, 2}));
  EXPECT_EQ(config.vae.channel_mult, (std::vector<int64_t>{1, 1, 2, 2}));
  EXPECT_EQ(config.vae.num_res_blocks, 1);
  EXPECT_EQ(config.text.width, 32);
  EXPECT_EQ(config.text.layers, 2);
  EXPECT_EQ(config.text.heads, 2);
  EXPECT_EQ(config.text.feed_forward, 128);
  EXPECT_FALSE(config.use_ema);
}

TEST(ModelConfig, WhatIsWrittenReadsBackTheSame) {
  ModelConfig config = parse_config(tiny(), "tiny-v1.yaml");
  EXPECT_EQ(parse_config(config_yaml(config), "written"), config);
  config.unet.num_head_channels = 16;
  config.unet.num_heads = -1;
  config.unet.norm_groups = 8;
  config.vae.norm_groups = 4;
  config.unet.use_linear_in_transformer = true;
  config.scale_factor = 0.4422123456789;  // to the last bit
  config.linear_end = 0.0119999;
  EXPECT_EQ(parse_config(config_yaml(config), "written"), config);
}

/// The family's configuration as written, read over nothing but what weights alone tell.
void expect_written_back(const ModelConfig& config) {
  ModelConfig base;
  base.text.feed_forward = config.text.feed_forward;
  if (config.text.encoder == TextEncoderKind::kBert) base.text.heads = config.text.heads;
  EXPECT_EQ(parse_config(config_yaml(config), "written", base), config) << config_yaml(config);
}

TEST(ModelConfig, WhatIsWrittenReadsBackTheSameForEachFamily) {
  for (const char* name :
       {"stable-diffusion/v1-inference.yaml", "stable-diffusion/v1-inpainting-inference.yaml",
        "instruct-pix2pix/generate.yaml", "stable-diffusion/v2-inference.yaml",
        "stable-diffusion/v2-inference-v.yaml", "stable-diffusion/v2-inpainting-inference.yaml",
        "latent-diffusion/txt2img-1p4B-eval.yaml"}) {
    SCOPED_TRACE(name);
    auto config = published(name);
    expect_written_back(config);
    config.prediction = Prediction::kVelocity;
    expect_written_back(config);
    // Sizes that are nobody's default.
    config.text.width = config.unet.context_dim = 96;
    if (config.text.encoder == TextEncoderKind::kBert) config.text.heads = 5;
    config.text.feed_forward = 4 * config.text.width;
    config.text.layers = 3;
    config.text.positions = 20;
    expect_written_back(config);
  }
}

TEST(ModelConfig, NormGroupsAreAnExtension) {
  const auto config =
      parse_config(changed("context_dim: 32", "context_dim: 32\n        norm_groups: 8"), "m.yaml");
  EXPECT_EQ(config.unet.norm_groups, 8);
  EXPECT_EQ(config.vae.norm_groups, 32);
}

TEST(ModelConfig, WhatIsLeftOutComesFromTheBase) {
  ModelConfig base;
  base.scale_factor = 0.5;
  base.text.width = 64;
  base.text.feed_forward = 100;
  auto text = changed("    scale_factor: 0.18215\n", "");
  text = text.substr(0, text.find("      params:            # an extension"));
  const auto config = parse_config(text, "m.yaml", base);
  EXPECT_EQ(config.scale_factor, 0.5);
  EXPECT_EQ(config.text.width, 64);
  EXPECT_EQ(config.text.feed_forward, 100);
}

TEST(ModelConfig, UnknownKeysAreNamedWithTheirLine) {
  expect_refused(changed("model_channels: 32", "model_chanels: 32"), "m.yaml:23",
                 "'model.params.unet_config.params.model_chanels'");
  expect_refused(changed("    scale_factor", "    scale_factr"), "'model.params.scale_factr'");
  expect_refused("modle:\n  params: {}\n", "'model' is missing");
}

TEST(ModelConfig, OtherModelsAreNamed) {
  expect_refused(changed("ldm.models.diffusion.ddpm.LatentDiffusion",
                         "ldm.models.diffusion.ddpm.LatentDepth2ImageDiffusion"),
                 "depth-guided");
  expect_refused(changed("FrozenCLIPEmbedder", "FrozenOpenCLIPEmbedder"),
                 "'model.params.cond_stage_config.params.layer'", "expected penultimate");
  expect_refused(
      changed("ldm.models.autoencoder.AutoencoderKL", "ldm.models.autoencoder.VQModelInterface"),
      "VQ");
  expect_refused(changed("ldm.modules.diffusionmodules.openaimodel.UNetModel", "my.UNet"),
                 "'model.params.unet_config.target'", "my.UNet");
  expect_refused(changed("use_ema: False", "parameterization: x0"),
                 "'model.params.parameterization'", "x0, expected eps or v");
  expect_refused(changed("conditioning_key: crossattn", "conditioning_key: hybrid"),
                 "'model.params.conditioning_key'", "expected crossattn",
                 "takes 4 and gives 4 channels");
  expect_refused(changed("in_channels: 4", "in_channels: 9"), "expected hybrid");
  expect_refused(changed("attn_resolutions: []", "attn_resolutions: [16]"), "attn_resolutions");
  expect_refused(changed("use_spatial_transformer: True", "use_spatial_transformer: False"),
                 "use_spatial_transformer");
}

TEST(ModelConfig, WrongValuesAreNamed) {
  expect_refused(changed("model_channels: 32", "model_channels: many"),
                 "many, expected an integer");
  expect_refused(changed("model_channels: 32", "model_channels: 0"), "expected an integer from 1");
  expect_refused(changed("model_channels: 32", "model_channels: 99999999999999999999"),
                 "expected an integer");
  expect_refused(changed("scale_factor: 0.18215", "scale_factor: .nan"),
                 "expected a positive number");
  expect_refused(changed("linear_end: 0.0120", "linear_end: 1.5"), "linear_end < 1");
  expect_refused(changed("channel_mult: [1, 1, 2]", "channel_mult: []"), "is empty");
  expect_refused(changed("channel_mult: [1, 1, 2]", "channel_mult: 2"), "expected a list");
  expect_refused(changed("use_ema: False", "use_ema: perhaps"), "expected true or false");
  expect_refused(changed("model_channels: 32", "model_channels: 32\n        model_channels: 64"),
                 "stands twice");
}

TEST(ModelConfig, WhatIsNoYamlIsRefused) {
  expect_refused("", "expected keys with values");
  expect_refused("just a text", "expected keys with values");
  expect_refused("model: [", "no valid YAML");
  expect_refused("model: {a: b, a: c}", "stands twice");
  expect_refused("\x01\x02\x03", "m.yaml:");
}

TEST(ModelConfig, NestingAndAliasesAreBounded) {
  expect_refused("model: " + std::string(100'000, '['), "no valid YAML");
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}]\n", i, i - 1);
  expect_refused(bomb, "'model' is missing");
  expect_refused("model: &m\n  target: *m\n", "m.yaml:");
  expect_refused(std::string(2'000'000, '#'), "at most 1048576");
}

TEST(ModelConfig, AMissingFileIsAnIoError) {
  const test::TempFolder folder;
  expect_error<IoError>([&] { read_config(folder / "none.yaml"); }, "none.yaml");
}

TEST(CheckConfig, NamesEverySideOfEveryDifference) {
  ModelConfig wanted;
  ModelConfig detected;
  detected.unet.context_dim = 1024;
  detected.vae.channel_mult = {1, 2, 4};
  expect_error<UsageError>([&] { check_config(wanted, detected, "m.yaml", "m.ckpt"); },
                           "m.yaml does not describe m.ckpt: 2 settings differ",
                           "unet_config.params.context_dim: 768 against 1024",
                           "ddconfig.ch_mult: [1, 2, 4, 4] against [1, 2, 4]");
}

TEST(CheckConfig, AttentionLevelsAreASetOfThoseThatAreReached) {
  ModelConfig wanted;
  ModelConfig detected;
  wanted.unet.attention_resolutions = {1, 2, 4, 16};  // of four levels the deepest is 8
  detected.unet.attention_resolutions = {4, 2, 1};
  EXPECT_NO_THROW(check_config(wanted, detected, "m.yaml", "m.ckpt"));
}

TEST(CheckConfig, WhatWeightsDoNotTellIsNotCompared) {
  ModelConfig wanted;
  ModelConfig detected;
  detected.text.feed_forward = 100;
  EXPECT_NO_THROW(check_config(wanted, detected, "m.yaml", "m.ckpt"));
}

TEST(ValidateConfig, HeadsAndGroupsMustDivideTheirChannels) {
  const auto refused = [](auto&& change, std::string_view part) {
    ModelConfig config;
    change(config);
    expect_error<UsageError>([&] { validate_config(config, "m.ckpt"); }, "m.ckpt", part);
  };
  EXPECT_NO_THROW(validate_config(ModelConfig{}, "m.ckpt"));
  refused([](ModelConfig& c) { c.text.heads = 7; }, "the text encoder's 7 attention heads");
  refused([](ModelConfig& c) { c.unet.num_heads = 7; }, "the UNet's 7 attention heads");
  refused([](ModelConfig& c) { c.unet.num_head_channels = 48; }, "heads of 48 channels");
  refused([](ModelConfig& c) { c.unet.norm_groups = 48; }, "the UNet's 48 group-norm groups");
  refused([](ModelConfig& c) { c.vae.norm_groups = 48; }, "the VAE's 48 group-norm groups");
}

}  // namespace
}  // namespace sd
