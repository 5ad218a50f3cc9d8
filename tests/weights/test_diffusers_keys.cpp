#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "sd/weights/open.h"
#include "weights/diffusers_names.h"
#include "weights/expected_tensors.h"
#include "weights/tiny_tensors.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

/// There and back again is where it started, for every tensor of such a model.
void expect_inverse(const ModelConfig& config) {
  const DiffusersKeys keys(config);
  const DiffusersNames names(config);
  for (const auto& [name, shape] : expected_tensors(config)) {
    const auto place = keys.of(name);
    ASSERT_TRUE(place.has_value()) << name;
    if (place->part == "unet") {
      EXPECT_EQ(names.unet(place->key).name, name);
    } else if (place->part == "vae") {
      EXPECT_EQ(names.vae(place->key).name, name);
      EXPECT_EQ(names.vae(place->key).as_convolution, place->from_convolution) << name;
    } else {
      EXPECT_EQ("cond_stage_model.transformer." + place->key, name);
    }
  }
}

TEST(DiffusersKeys, AreTheWayBack) {
  expect_inverse(ModelConfig{});
  expect_inverse(*open_model(fs::path(SD_TEST_DATA) / "tiny-v1-diffusers").config);
}

TEST(DiffusersKeys, AreThoseOfTheFolderThatDiffusersRead) {
  const DiffusersKeys keys(*open_model(fs::path(SD_TEST_DATA) / "tiny-v1-diffusers").config);
  for (const auto& tensor : test::known_tensors()) {
    const auto found = keys.of(tensor.name);
    ASSERT_TRUE(found.has_value()) << tensor.name;
    EXPECT_EQ(found->part, tensor.part) << tensor.name;
    EXPECT_EQ(found->key, tensor.diffusers_name) << tensor.name;
  }
}

TEST(DiffusersKeys, AreThoseThatDiffusersWrites) {
  // The folder was written by a table of its own (tests/tools/sd_layout.py) and read by diffusers.
  const auto folder = fs::path(SD_TEST_DATA) / "tiny-v1-diffusers";
  const auto model = open_model(folder);
  const DiffusersKeys keys(detect_config(*model.tensors, *model.config));
  const auto key = [&](const std::string& name) { return keys.of(name).value().key; };
  EXPECT_EQ(key("model.diffusion_model.output_blocks.2.2.conv.weight"),
            "up_blocks.0.upsamplers.0.conv.weight");
  EXPECT_EQ(key("model.diffusion_model.input_blocks.3.0.op.bias"),
            "down_blocks.0.downsamplers.0.conv.bias");
  EXPECT_EQ(key("model.diffusion_model.middle_block.2.emb_layers.1.weight"),
            "mid_block.resnets.1.time_emb_proj.weight");
  EXPECT_EQ(key("model.diffusion_model.time_embed.2.bias"), "time_embedding.linear_2.bias");
  EXPECT_EQ(key("first_stage_model.decoder.up.3.block.0.norm1.weight"),
            "decoder.up_blocks.0.resnets.0.norm1.weight");
  EXPECT_EQ(key("first_stage_model.encoder.mid.attn_1.k.weight"),
            "encoder.mid_block.attentions.0.to_k.weight");
  EXPECT_EQ(key("first_stage_model.encoder.norm_out.bias"), "encoder.conv_norm_out.bias");
  EXPECT_EQ(key("cond_stage_model.transformer.text_model.final_layer_norm.weight"),
            "text_model.final_layer_norm.weight");
}

TEST(DiffusersKeys, HaveNoPlaceForWhatIsNoWeight) {
  const DiffusersKeys keys(ModelConfig{});
  for (const char* name :
       {"betas", "", ".", "model.diffusion_model.strange.weight",
        "model.diffusion_model.input_blocks.99.0.op.weight", "model_ema.decay"}) {
    EXPECT_FALSE(keys.of(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace sd
