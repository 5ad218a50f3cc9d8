// A picture that is decoded or encoded in bands of rows is the whole picture.
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <limits>

#include "models/vae_plan.h"
#include "nn/layer_profile.h"
#include "sd/models/vae.h"

namespace sd {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

/// Of the published one's shape: a level that keeps its channels and two that halve them.
VaeConfig small_config() {
  VaeConfig config;
  config.channels = 16;
  config.channel_mult = {1, 2, 4, 4};
  config.num_res_blocks = 1;
  config.norm_groups = 8;
  return config;
}

Vae random_vae(torch::Dtype dtype) {
  torch::manual_seed(7);
  Vae vae(small_config());
  for (const auto& slot : parameter_slots(*vae)) {
    const auto values = at::randn(slot.shape);
    const bool norm = slot.name.find("norm") != std::string::npos;
    const double inputs =
        slot.shape.size() == 4 ? static_cast<double>(values.numel() / slot.shape[0]) : 50;
    auto scaled = values / std::sqrt(inputs);
    if (norm && slot.name.ends_with("weight")) scaled = scaled + 1;
    if (slot.name.find("conv_out.weight") != std::string::npos) scaled = scaled / 4;  // to -1 … 1
    slot.bind(scaled.to(dtype));
  }
  return vae;
}

double most_different(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<double>();
}

class VaeBands : public testing::TestWithParam<int64_t> {
 protected:
  VaeMemory bands() const { return {.most = 0, .band_rows = GetParam()}; }
  const c10::InferenceMode inference_;
};

TEST_P(VaeBands, DecodeTheWholePicture) {
  auto vae = random_vae(at::kFloat);
  const auto z = at::randn({1, 4, 7, 5});
  EXPECT_LT(most_different(vae->decode(z, bands()), vae->decode(z, {kNoLimit})), 1e-4);
}

TEST_P(VaeBands, DecodeTheWholePictureWithTheShortcutHeld) {
  auto vae = random_vae(at::kFloat);
  const auto z = at::randn({1, 4, 7, 5});
  auto memory = bands();
  const auto blocks = decoder_blocks(small_config(), 7, 5, 4);
  memory.most = blocks.at(6).bytes(BlockPlan::kSkipHeld);
  ASSERT_EQ(blocks.at(6).plan(memory.most), BlockPlan::kSkipHeld);
  EXPECT_LT(most_different(vae->decode(z, memory), vae->decode(z, {kNoLimit})), 1e-4);
}

TEST_P(VaeBands, DecodeTheWholePictureInBf16) {
  auto vae = random_vae(at::kBFloat16);
  const auto z = at::randn({1, 4, 7, 5}).to(at::kBFloat16);
  const auto whole = vae->decode(z, {kNoLimit});
  // From -1 to 1 there are 255 steps of a picture's values.
  EXPECT_LT(most_different(vae->decode(z, bands()), whole), 2.0 / 255);
}

TEST_P(VaeBands, EncodeTheWholePicture) {
  auto vae = random_vae(at::kFloat);
  const auto picture = at::randn({1, 3, 72, 40}).clamp(-1, 1);
  const auto parts = vae->encode(picture, bands()), whole = vae->encode(picture, {kNoLimit});
  EXPECT_LT(most_different(parts.mean, whole.mean), 1e-4);
  EXPECT_LT(most_different(parts.log_variance, whole.log_variance), 1e-4);
}

// As low as they can be, no divisor of the height, higher than the picture; and what is taken of
// itself.
INSTANTIATE_TEST_SUITE_P(Rows, VaeBands, testing::Values(4, 12, 1000, 0));

TEST(VaeBandsMemory, IsKeptAsWholeBlocksWhereItSuffices) {
  const c10::InferenceMode inference;
  auto vae = random_vae(at::kFloat);
  const auto z = at::randn({1, 4, 8, 8});
  const auto layers = [&](const VaeMemory& memory) {
    const LayerProfile profile;
    vae->decode(z, memory);
    return profile.events().size();
  };
  const auto whole = layers({kNoLimit});
  EXPECT_EQ(layers({}), whole);
  EXPECT_GT(layers({.most = 0, .band_rows = 8}), 2 * whole);
}

TEST(VaePlan, OrdinaryPicturesAreWhole) {
  const int64_t most = VaeMemory().most;
  for (const auto& [latent, element] : {std::pair{128, 2}, {96, 4}}) {  // 1024x1024, 768x768
    const auto blocks = decoder_blocks({}, latent, latent, element);
    EXPECT_EQ(bytes_of_blocks(blocks, most), bytes_of_blocks(blocks, kNoLimit));
  }
}

// In maps of the first level.
TEST(VaePlan, ALargePictureTakesThreeEighthsOfItsBytes) {
  const int64_t most = VaeMemory().most, map = int64_t{128} * 2048 * 2048 * 4;
  const auto decoder = decoder_blocks({}, 256, 256, 4), encoder = encoder_blocks({}, 2048, 2048, 4);
  EXPECT_EQ(bytes_of_blocks(decoder, kNoLimit), 4 * map);
  EXPECT_EQ(bytes_of_blocks(decoder, most), 3 * map / 2);
  EXPECT_EQ(bytes_of_blocks(encoder, kNoLimit), 2 * map);
  EXPECT_EQ(bytes_of_blocks(encoder, most), map);
}

}  // namespace
}  // namespace sd
