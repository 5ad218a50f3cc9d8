// The list that needs no LibTorch is the list of the modules' parameters.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "sd/models/latent_diffusion.h"
#include "weights/expected_tensors.h"

namespace sd {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

void expect_equal_lists(const ModelConfig& config) {
  Shapes modules, listed;
  LatentDiffusion model(config);
  for (const auto& slot : parameter_slots(*model)) modules[slot.name] = slot.shape;
  for (const auto& tensor : expected_tensors(config)) listed[tensor.name] = tensor.shape;
  EXPECT_EQ(listed, modules);
}

TEST(ExpectedTensors, AreTheParametersOfStableDiffusion) { expect_equal_lists(ModelConfig{}); }

TEST(ExpectedTensors, AreTheParametersOfOtherSizes) {
  ModelConfig config;
  config.unet.in_channels = 9;
  config.unet.model_channels = 64;
  config.unet.channel_mult = {1, 3, 2};
  config.unet.num_res_blocks = 1;
  config.unet.attention_resolutions = {2};  // not where the middle is
  config.unet.transformer_depth = 2;
  config.unet.context_dim = 48;
  config.unet.use_linear_in_transformer = true;
  config.vae.channel_mult = {1, 2};
  config.vae.num_res_blocks = 3;
  config.vae.embed_dim = 3;
  config.text = {.width = 48, .layers = 3, .heads = 4, .feed_forward = 100};
  expect_equal_lists(config);
}

TEST(ExpectedTensors, AreTheParametersOfTheSecondGeneration) {
  ModelConfig config;
  config.text = openclip_text();
  config.unet.context_dim = config.text.width;
  config.unet.num_head_channels = 64;
  config.unet.use_linear_in_transformer = true;
  expect_equal_lists(config);
}

TEST(ExpectedTensors, AreTheParametersUnderABertTextEncoder) {
  ModelConfig config;
  config.unet.context_dim = 48;
  config.text = {.encoder = TextEncoderKind::kBert,
                 .tokenizer = TokenizerKind::kWordPiece,
                 .padding = 0,
                 .width = 48,
                 .layers = 3,
                 .heads = 2,  // of 64, wider together than the model
                 .vocabulary = 500,
                 .positions = 20,
                 .feed_forward = 100};
  expect_equal_lists(config);
}

}  // namespace
}  // namespace sd
