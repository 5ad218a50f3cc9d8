#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sd/core/model_hash.h"
#include "sd/networks/apply.h"
#include "sd/weights/open.h"
#include "trainer/adapter_fixture.h"
#include "trainer/lora_file.h"

namespace sd::train {
namespace {

class LoraFile : public ::testing::Test {
 protected:
  LoraFile() {
    settings.data = "data/10_ink/";
    pictures.mean = at::ones({3, 4, 8, 8});
    pictures.captions = {"ink, a cat", "ink,a dog , ", "ink"};
    auto generator = at::make_generator<at::CPUGeneratorImpl>(1);
    const c10::AutoGradMode no_gradients(false);
    auto& values = factors.parameters().values();
    values.copy_(at::randn(values.sizes(), generator).to(at::kHalf));
    write_lora(path, factors, settings, lora_metadata(settings, model, pictures, 0, "ink"), 40);
  }
  std::string text(const std::string& key) const { return read_tensor_file(path).text(key); }

  test::TempFolder folder;
  std::filesystem::path path = folder / "ink.safetensors";
  FrozenModel model = frozen_tiny_model();
  LoraSettings settings = [] {
    LoraSettings made;
    made.rank = 2;
    made.alpha = 1;
    made.text_encoder = made.convolutions = true;
    return made;
  }();
  LoraFactors factors{lora_targets(*model.model, settings), settings, torch::kCPU};
  TrainingPictures pictures;
};

TEST_F(LoraFile, EveryLayerFindsItsPlace) {
  const auto opened = open_model(test::data("tiny-v1.ckpt"));
  const auto bound = bind_network(open_network(path), *opened.tensors, model.config);
  EXPECT_TRUE(bound->match().unmatched.empty());
  EXPECT_EQ(bound->match().matched, static_cast<int64_t>(factors.targets().size()));
  EXPECT_EQ(bound->network().info().kind, "LoCon");
  EXPECT_EQ(bound->network().info().alpha, 1);

  const auto found =
      bound->factors("model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight");
  ASSERT_TRUE(found);
  EXPECT_DOUBLE_EQ(found->scale, 0.5);
  for (const auto& entry : factors.parameters().entries()) {
    if (entry.name !=
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight")
      continue;
    const auto value = FlatParameters::view(factors.parameters().values(), entry);
    EXPECT_EQ(found->up.shape, entry.shape);
    EXPECT_EQ(found->up.values.front(), value[0][0].item<float>());
  }
}

TEST_F(LoraFile, TellsWhatKohyasFilesTell) {
  EXPECT_EQ(text("ss_network_module"), "networks.lora");
  EXPECT_EQ(text("ss_network_dim"), "2");
  EXPECT_EQ(text("ss_network_alpha"), "1");
  EXPECT_EQ(text("ss_network_args"), R"({"conv_dim":"2","conv_alpha":"1"})");
  EXPECT_EQ(text("ss_base_model_version"), "sd_v1");
  EXPECT_EQ(text("ss_output_name"), "ink");
  EXPECT_EQ(text("ss_num_train_images"), "3");
  EXPECT_EQ(text("ss_resolution"), "(64, 64)");
  EXPECT_EQ(text("ss_steps"), "40");
  EXPECT_EQ(text("ss_tag_frequency"), R"({"10_ink":{"ink":3,"a cat":1,"a dog":1}})");
  EXPECT_EQ(text("ss_new_sd_model_hash"), model_sha256(test::data("tiny-v1.ckpt")));
}

TEST_F(LoraFile, ItsHashIsTheOneThatOthersCompute) {
  EXPECT_EQ(text("sshs_model_hash"), network_hash(path));
  EXPECT_EQ(text("sshs_legacy_hash").size(), 8u);
}

TEST_F(LoraFile, SecondModelsAreTold) {
  auto second = frozen_tiny_model();
  second.config.text.width = 1024;
  const auto version = [&](Prediction prediction) {
    second.config.prediction = prediction;
    const auto metadata = lora_metadata(settings, second, pictures, 0, "ink");
    return std::ranges::find(metadata, "ss_base_model_version", &Metadata::value_type::first)
        ->second;
  };
  EXPECT_EQ(version(Prediction::kNoise), "sd_v2");
  EXPECT_EQ(version(Prediction::kVelocity), "sd_v2_v");
}

}  // namespace
}  // namespace sd::train
