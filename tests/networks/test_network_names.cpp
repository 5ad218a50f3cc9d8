// One layer in every spelling that files have for it.
#include <gtest/gtest.h>

#include "sd/networks/apply.h"
#include "support/network_writer.h"
#include "support/temp_folder.h"
#include "weights/open_file.h"
#include "weights/openclip_names.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::tensor;

const test::SmallModel& model_of(const std::string& name) {
  static const auto v1 = test::open_small(fs::path(SD_TEST_DATA) / "tiny-v1.ckpt");
  static const auto folder = test::open_small(fs::path(SD_TEST_DATA) / "tiny-v1-diffusers");
  return name == "folder" ? folder : v1;
}

/// What a file changes whose two keys are these.
std::vector<std::string> changed_by(const std::string& down, const std::string& up,
                                    const std::string& model = "v1") {
  const test::TempFolder folder;
  const auto path = test::write_network(folder / "network.safetensors",
                                        {tensor(down, {2, 32}), tensor(up, {32, 2})});
  const auto& [tensors, config] = model_of(model);
  return bind_network(open_network(path), *tensors, config)->parameters();
}

using Names = std::vector<std::string>;
const Names kQueryWeight = {
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"};
const Names kOutWeight = {
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_out.0.weight"};
const Names kTextWeight = {
    "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight"};

TEST(NetworkNames, OfKohyaWithDiffusersPaths) {
  const std::string query = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
  EXPECT_EQ(changed_by(query + ".lora_down.weight", query + ".lora_up.weight"), kQueryWeight);
  EXPECT_EQ(changed_by(query + ".lora_down.weight", query + ".lora_up.weight", "folder"),
            kQueryWeight);
  for (const std::string prefix : {"lora_te_", "lora_te1_", "lycoris_"}) {
    const auto text = prefix + "text_model_encoder_layers_0_self_attn_q_proj";
    EXPECT_EQ(changed_by(text + ".lora_down.weight", text + ".lora_up.weight"), kTextWeight);
  }
}

TEST(NetworkNames, OfKohyaWithCompVisPaths) {
  const std::string query = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q";
  EXPECT_EQ(changed_by(query + ".lora_down.weight", query + ".lora_up.weight"), kQueryWeight);
}

TEST(NetworkNames, OfEveryAgeOfDiffusers) {
  const std::string block = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.";
  for (const std::string prefix : {"unet.", ""}) {
    EXPECT_EQ(
        changed_by(prefix + block + "to_q.lora_A.weight", prefix + block + "to_q.lora_B.weight"),
        kQueryWeight);
    EXPECT_EQ(changed_by(prefix + block + "to_q.lora.down.weight",
                         prefix + block + "to_q.lora.up.weight"),
              kQueryWeight);
    EXPECT_EQ(changed_by(prefix + block + "processor.to_q_lora.down.weight",
                         prefix + block + "processor.to_q_lora.up.weight"),
              kQueryWeight);
    EXPECT_EQ(changed_by(prefix + block + "processor.to_out_lora.down.weight",
                         prefix + block + "processor.to_out_lora.up.weight"),
              kOutWeight);
  }
  const std::string text = "text_encoder.text_model.encoder.layers.0.self_attn.";
  EXPECT_EQ(changed_by(text + "q_proj.lora_linear_layer.down.weight",
                       text + "q_proj.lora_linear_layer.up.weight"),
            kTextWeight);
  EXPECT_EQ(changed_by(text + "to_q_lora.down.weight", text + "to_q_lora.up.weight"), kTextWeight);
}

TEST(NetworkNames, OfPeft) {
  const std::string query =
      "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
  EXPECT_EQ(changed_by(query + ".lora_A.weight", query + ".lora_B.weight"), kQueryWeight);
  EXPECT_EQ(changed_by(query + ".lora_A.default.weight", query + ".lora_B.default.weight"),
            kQueryWeight);
  const std::string text = "base_model.model.encoder.layers.0.self_attn.q_proj";
  EXPECT_EQ(changed_by(text + ".lora_A.weight", text + ".lora_B.weight"), kTextWeight);
}

TEST(NetworkNames, OfCompVisWithDots) {
  for (const std::string prefix : {"model.diffusion_model.", "diffusion_model."}) {
    const auto query = prefix + "input_blocks.1.1.transformer_blocks.0.attn1.to_q";
    EXPECT_EQ(changed_by(query + ".lora_down.weight", query + ".lora_up.weight"), kQueryWeight);
  }
}

TEST(NetworkNames, OfModulesThatTheModelHasNotAreTold) {
  const test::TempFolder folder;
  const std::string query = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
  const auto path = test::write_network(
      folder / "network.safetensors",
      {tensor(query + ".lora_down.weight", {2, 32}), tensor(query + ".lora_up.weight", {32, 2}),
       tensor("lora_unet_other.lora_down.weight", {2, 32}),
       tensor("lora_unet_other.lora_up.weight", {32, 2}), tensor("something", {1})});
  const auto& [tensors, config] = model_of("v1");
  const auto match = match_network(open_network(path), *tensors, config);
  EXPECT_EQ(match.modules, 2);
  EXPECT_EQ(match.matched, 1);
  EXPECT_EQ(match.unmatched, (Names{"lora_unet_other", "something"}));
}

/// Stable Diffusion 2's text encoder, two layers of width 8 of which one runs, by OpenCLIP's names.
TEST(NetworkNames, OfOpenClipsFusedProjectionsChangeTheirParts) {
  const test::TempFolder folder;
  const std::string block = "cond_stage_model.model.transformer.resblocks.";
  std::vector<test::FloatTensor> tensors;
  for (const std::string layer : {"0.", "1."}) {
    tensors.push_back(tensor(block + layer + "attn.in_proj_weight", {24, 8}));
    tensors.push_back(tensor(block + layer + "ln_1.weight", {8}));
  }
  const auto file = test::write_network(folder / "model.safetensors", tensors);
  const auto model = with_clip_names(open_weight_file(file).tensors);
  const std::string fused = "lora_te_transformer_resblocks_0_attn_in_proj";
  auto up = tensor(fused + ".lora_up.weight", {24, 1});
  for (std::size_t i = 0; i < up.values.size(); ++i) up.values[i] = i / 8 == 1 ? 1.0F : 0.0F;
  const auto path = test::write_network(folder / "network.safetensors",
                                        {tensor(fused + ".lora_down.weight", {1, 8}), up});
  ModelConfig config;
  config.text = openclip_text();
  const auto bound = bind_network(open_network(path), *model, config);
  ASSERT_EQ(bound->parameters().size(), 3u);
  for (const auto& name : bound->parameters()) {
    std::vector<float> values(64, 0.0F);
    bound->merge(name, values, 1.0);
    const bool changed = values != std::vector<float>(64, 0.0F);
    EXPECT_EQ(changed, name.find(".k_proj.") != name.npos) << name;
    EXPECT_EQ(bound->factors(name)->up.shape, (std::vector<int64_t>{8, 1}));
  }
}

}  // namespace
}  // namespace sd
