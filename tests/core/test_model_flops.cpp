// Totals that torch.utils.flop_counter finds over the modules of diffusers and transformers.
#include <gtest/gtest.h>

#include "core/model_flops.h"

namespace sd {
namespace {

TEST(Flops, AreThoseOfStableDiffusionsUnet) {
  EXPECT_EQ(unet_flops({}, 2, 64, 64, 77), 1606546882560);
}

TEST(Flops, AreThoseOfTheSecondGenerationsUnet) {
  UNetConfig config;
  config.num_head_channels = 64;
  config.context_dim = 1024;
  config.use_linear_in_transformer = true;
  EXPECT_EQ(unet_flops(config, 1, 96, 96, 77), 2149105745920);
}

TEST(Flops, AreThoseOfTheDecoder) { EXPECT_EQ(decoder_flops({}, 64, 64), 2514518933504); }

TEST(Flops, AreThoseOfTheTextEncoder) { EXPECT_EQ(text_flops({}, 77), 13298503680); }

}  // namespace
}  // namespace sd
