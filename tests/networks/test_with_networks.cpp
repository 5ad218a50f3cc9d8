#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sd/core/error.h"
#include "sd/networks/apply.h"
#include "support/expect_error.h"
#include "support/network_writer.h"
#include "support/temp_folder.h"
#include "weights/open_file.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::number;
using test::tensor;

const std::string kQuery = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
const std::string kWeight =
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight";
const std::string kInput = "model.diffusion_model.input_blocks.0.0.weight";

std::vector<std::byte> bytes_of(const TensorView& view) {
  return {view.bytes.begin(), view.bytes.end()};
}

/// A LoRA over one layer of the tiny model.
class WithNetworks : public testing::Test {
 protected:
  std::shared_ptr<const Network> network(float alpha = 1) const {
    return open_network(test::write_network(
        folder_ / "network.safetensors",
        {tensor(kQuery + ".lora_down.weight", {2, 32}), tensor(kQuery + ".lora_up.weight", {32, 2}),
         number(kQuery + ".alpha", alpha)}));
  }
  static std::unique_ptr<TensorSource> merged(const std::vector<AppliedNetwork>& networks) {
    auto [model, config] = tiny();
    return with_networks(std::move(model), config, networks);
  }
  static test::SmallModel tiny() {
    return test::open_small(fs::path(SD_TEST_DATA) / "tiny-v1.ckpt");
  }

  test::TempFolder folder_;
};

TEST_F(WithNetworks, GivesTouchedParametersAsFloats) {
  const auto source = merged({{network()}});
  EXPECT_EQ(source->describe(kWeight).dtype, DType::kF32);
  EXPECT_EQ(source->describe(kWeight).shape, (std::vector<int64_t>{32, 32}));
  EXPECT_EQ(source->at(kWeight).bytes.size(), 32u * 32 * sizeof(float));
  EXPECT_EQ(source->stored(kWeight).type, "F16");
}

TEST_F(WithNetworks, LeavesAllOtherParametersAsTheyAre) {
  const auto model = tiny();
  const auto source = merged({{network()}});
  EXPECT_EQ(source->names(), model.tensors->names());
  EXPECT_EQ(source->describe(kInput).dtype, DType::kF16);
  EXPECT_EQ(bytes_of(source->at(kInput)), bytes_of(model.tensors->at(kInput)));
}

TEST_F(WithNetworks, WithAMultiplierOfZeroIsTheModelToTheByte) {
  const auto model = tiny();
  for (const auto& source : {merged({{network(), 0, 0}}), merged({{network(0)}})}) {
    EXPECT_EQ(source->at(kWeight).dtype, DType::kF16);
    EXPECT_EQ(bytes_of(source->at(kWeight)), bytes_of(model.tensors->at(kWeight)));
  }
}

TEST_F(WithNetworks, AddsUpAsTheyAreGiven) {
  const auto twice = test::floats_at(*merged({{network()}, {network(), 1, 0.5}}), kWeight);
  const auto once = test::floats_at(*merged({{network(), 1, 1.5}}), kWeight);
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(twice[i], once[i], 1e-6F);
}

TEST_F(WithNetworks, MergesWhatItsFactorsMultiplyTo) {
  auto [model, config] = tiny();
  const auto before = test::floats_at(*model, kWeight);
  const auto factors = bind_network(network(), *model, config)->factors(kWeight);
  ASSERT_TRUE(factors);
  EXPECT_EQ(factors->scale, 0.5);
  EXPECT_EQ(factors->down.shape, (std::vector<int64_t>{2, 32}));
  EXPECT_EQ(factors->up.shape, (std::vector<int64_t>{32, 2}));
  const auto after = test::floats_at(*merged({{network()}}), kWeight);
  for (std::size_t row = 0; row < 32; ++row) {
    for (std::size_t i = 0; i < 32; ++i) {
      double sum = 0;
      for (std::size_t r = 0; r < 2; ++r)
        sum +=
            static_cast<double>(factors->up.values[row * 2 + r]) * factors->down.values[r * 32 + i];
      EXPECT_NEAR(after[row * 32 + i], before[row * 32 + i] + 0.5 * sum, 1e-6);
    }
  }
}

TEST_F(WithNetworks, WeighsBlocksByTheirPlace) {
  AppliedNetwork applied{network(), 2, 3, std::vector<double>(kNetworkBlocks, 1)};
  applied.blocks[0] = 0.5;   // BASE
  applied.blocks[2] = 0.25;  // IN01
  applied.blocks[13] = 0;    // M00
  applied.blocks[25] = 2;    // OUT11
  EXPECT_EQ(applied.multiplier_for("cond_stage_model.transformer.x.weight"), 1);
  EXPECT_EQ(applied.multiplier_for(kWeight), 0.75);
  EXPECT_EQ(applied.multiplier_for("model.diffusion_model.input_blocks.11.0.x"), 3);
  EXPECT_EQ(applied.multiplier_for("model.diffusion_model.middle_block.0.x"), 0);
  EXPECT_EQ(applied.multiplier_for("model.diffusion_model.output_blocks.11.0.x"), 6);
  EXPECT_EQ(applied.multiplier_for("model.diffusion_model.time_embed.0.weight"), 3);
  applied.blocks.resize(17);
  test::expect_error<UsageError>([&] { applied.multiplier_for(kWeight); }, "17", "26");
}

TEST_F(WithNetworks, OfFourChannelsChangesTheLatentsOfAModelWithMore) {
  const auto nine = tensor(kInput, {32, 9, 3, 3});
  const auto file = test::write_network(folder_ / "nine.safetensors", {nine});
  const auto path = test::write_network(
      folder_ / "network.safetensors", {tensor("lora_unet_conv_in.lora_down.weight", {1, 4, 3, 3}),
                                        tensor("lora_unet_conv_in.lora_up.weight", {32, 1, 1, 1})});
  ModelConfig config;
  config.unet.in_channels = 9;
  const auto model = open_weight_file(file).tensors;
  const auto bound = bind_network(open_network(path), *model, config);
  auto values = nine.values;
  bound->merge(kInput, values, 1.0);
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(values[i] != nine.values[i], i / 9 % 9 < 4) << i;
  const auto factors = bound->factors(kInput);
  EXPECT_EQ(factors->down.shape, (std::vector<int64_t>{1, 9, 3, 3}));
  EXPECT_EQ(factors->down.values.size(), 81u);
  EXPECT_EQ(factors->down.values[36], 0.0F);
}

TEST_F(WithNetworks, ReadsLinearLayersWhereTheModelHasConvolutions) {
  const std::string in = "lora_unet_down_blocks_0_attentions_0_proj_in";
  const auto path = test::write_network(
      folder_ / "linear.safetensors",
      {tensor(in + ".lora_down.weight", {2, 32}), tensor(in + ".lora_up.weight", {32, 2})});
  const auto [model, config] = tiny();
  const auto factors = bind_network(open_network(path), *model, config)
                           ->factors("model.diffusion_model.input_blocks.1.1.proj_in.weight");
  ASSERT_TRUE(factors);
  EXPECT_EQ(factors->down.shape, (std::vector<int64_t>{2, 32, 1, 1}));
  EXPECT_EQ(factors->up.shape, (std::vector<int64_t>{32, 2, 1, 1}));
}

TEST_F(WithNetworks, CountsAlphaByTheRankUnlessAScaleIsGiven) {
  const auto path = test::write_network(
      folder_ / "scale.safetensors",
      {tensor(kQuery + ".lora_down.weight", {2, 32}), tensor(kQuery + ".lora_up.weight", {32, 2}),
       number(kQuery + ".alpha", 1), number(kQuery + ".scale", 0.25)});
  const auto [model, config] = tiny();
  EXPECT_EQ(bind_network(open_network(path), *model, config)->factors(kWeight)->scale, 0.25);
}

}  // namespace
}  // namespace sd
