#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "sd/models/latent_diffusion.h"
#include "sd/models/unet.h"
#include "sd/nn/time_table.h"

namespace sd {
namespace {

UNetConfig small_config() {
  UNetConfig config;
  config.model_channels = 32;
  config.channel_mult = {1, 2};
  config.num_res_blocks = 1;
  config.attention_resolutions = {1};
  config.context_dim = 32;
  return config;
}

UNet seeded_unet() {
  at::manual_seed(5);
  UNet unet(small_config());
  for (auto& slot : parameter_slots(*unet)) slot.bind(at::randn(slot.shape) * 0.1);
  return unet;
}

class TimeTableOfAUNet : public testing::Test {
 protected:
  /// What the UNet makes at `t` of a table that knows 981, 500.25 and 1, and without one.
  torch::Tensor with_table(double t) {
    ForwardContext run;
    run.times = &table_;
    run.time_row = table_.row_of(t);
    return run_at(t, run);
  }
  torch::Tensor without(double t) { return run_at(t, {}); }
  torch::Tensor run_at(double t, const ForwardContext& run) {
    return unet_->forward(x_, at::full({1}, t, x_.options()), context_, run);
  }

  c10::InferenceMode inference_;
  UNet unet_ = seeded_unet();
  torch::Tensor x_ = at::randn({2, 4, 16, 8}), context_ = at::randn({2, 7, 32});
  TimeTable table_{{981, 500.25, 1}};
};

TEST_F(TimeTableOfAUNet, GivesTheSameToTheLastBit) {
  for (const double t : table_.timesteps()) {
    EXPECT_TRUE(with_table(t).equal(without(t))) << t;
  }
  EXPECT_TRUE(table_.is_filled());
  EXPECT_FALSE(with_table(981).equal(with_table(1)));
}

TEST_F(TimeTableOfAUNet, IsFilledOnce) {
  const auto before = with_table(981);
  for (auto& slot : parameter_slots(*unet_)) {
    if (slot.name.starts_with("time_embed")) slot.bind(at::zeros(slot.shape));
  }
  EXPECT_TRUE(with_table(981).equal(before));
  EXPECT_FALSE(with_table(500.25).equal(without(500.25)));
}

TEST_F(TimeTableOfAUNet, LeavesOtherTimestepsToTheUNet) {
  EXPECT_FALSE(table_.row_of(2));
  EXPECT_TRUE(with_table(2).equal(without(2)));
  EXPECT_FALSE(table_.is_filled());
}

}  // namespace
}  // namespace sd
