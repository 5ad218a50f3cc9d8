#include <gtest/gtest.h>

#include <memory>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "support/expect_error.h"
#include "support/map_source.h"

namespace sd {
namespace {

using test::expect_error;
using test::MapSource;

/// Two weights of a UNet; shapes tell the plain ones (1) from their EMA copies (2).
std::unique_ptr<MapSource> full() {
  auto source = std::make_unique<MapSource>();
  source->set("betas", {1000});
  source->set("model.diffusion_model.out.2.weight", {1});
  source->set("model.diffusion_model.out.2.bias", {1});
  source->set("first_stage_model.quant_conv.bias", {1});
  source->set("model_ema.decay", {});
  source->set("model_ema.diffusion_modelout2weight", {2});
  source->set("model_ema.diffusion_modelout2bias", {2});
  return source;
}

TEST(EmaWeights, StandInForThePlainOnes) {
  const auto ema = with_ema_weights(full());
  EXPECT_EQ(ema->names(), (std::vector<std::string>{"betas", "model.diffusion_model.out.2.weight",
                                                    "model.diffusion_model.out.2.bias",
                                                    "first_stage_model.quant_conv.bias"}));
  EXPECT_EQ(ema->at("model.diffusion_model.out.2.weight").shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(ema->describe("model.diffusion_model.out.2.bias").shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(ema->at("first_stage_model.quant_conv.bias").shape, (std::vector<int64_t>{1}));
  EXPECT_EQ(ema->label(), "a model");
}

TEST(EmaWeights, AFileWithoutThemIsRefused) {
  auto source = full();
  source->erase_all("model_ema.");
  expect_error<CheckpointError>([&] { with_ema_weights(std::move(source)); }, "a model",
                                "no EMA weights", "--ema");
}

TEST(EmaWeights, AnIncompleteSetIsRefused) {
  auto source = full();
  source->erase("model_ema.diffusion_modelout2bias");
  expect_error<CheckpointError>([&] { with_ema_weights(std::move(source)); },
                                "'model.diffusion_model.out.2.bias'");
}

}  // namespace
}  // namespace sd
