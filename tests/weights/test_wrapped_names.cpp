// Names as trainers, compilers and other programs leave them.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/map_source.h"
#include "weights/wrapped_names.h"

namespace sd {
namespace {

using Names = std::vector<std::string>;
using test::MapSource;

Names unwrapped(const Names& names) {
  auto source = std::make_unique<MapSource>();
  for (const auto& name : names) source->set(name, {1});
  return with_unwrapped_names(std::move(source))->names();
}

const Names kModel = {"model.diffusion_model.input_blocks.0.0.weight",
                      "first_stage_model.encoder.conv_in.weight",
                      "cond_stage_model.transformer.text_model.final_layer_norm.weight", "betas"};

Names below(const std::string& prefix, const Names& names = kModel) {
  Names all;
  for (const auto& name : names) all.push_back(prefix + name);
  return all;
}

TEST(WrappedNames, PublishedNamesStay) {
  auto source = std::make_unique<MapSource>();
  for (const auto& name : kModel) source->set(name, {1});
  const auto* before = source.get();
  EXPECT_EQ(with_unwrapped_names(std::move(source)).get(), before);
}

TEST(WrappedNames, WhatAWholeModelsNamesBeginWithGoes) {
  for (const char* prefix : {"module.", "model.", "ema.", "_orig_mod.", "module._orig_mod.",
                             "state_dict.", "ldm.model.", "pipe.params."}) {
    EXPECT_EQ(unwrapped(below(prefix)), kModel) << prefix;
  }
}

TEST(WrappedNames, WrappersAroundASinglePartGo) {
  EXPECT_EQ(unwrapped({"model.diffusion_model._orig_mod.out.2.weight",
                       "model._fsdp_wrapped_module.diffusion_model.module.out.0.bias"}),
            (Names{"model.diffusion_model.out.2.weight", "model.diffusion_model.out.0.bias"}));
}

TEST(WrappedNames, AUNetMayLackItsFirstPart) {
  EXPECT_EQ(unwrapped({"diffusion_model.out.2.weight", "first_stage_model.a"}),
            (Names{"model.diffusion_model.out.2.weight", "first_stage_model.a"}));
}

TEST(WrappedNames, PlainWeightsCountBesideAveragedOnes) {
  auto names = below("ema.", {kModel[0], kModel[1]});
  const auto plain = below("online.", {kModel[0], kModel[1]});
  names.insert(names.end(), plain.begin(), plain.end());
  EXPECT_EQ(unwrapped(names),
            (Names{"ema." + kModel[0], "ema." + kModel[1], kModel[0], kModel[1]}));
}

TEST(WrappedNames, APlainNameIsNotTakenAway) {
  const std::string vae = "first_stage_model.a", unet = "model.diffusion_model.b";
  EXPECT_EQ(unwrapped({"ema." + unet, "ema." + vae, vae}), (Names{unet, "ema." + vae, vae}));
}

TEST(WrappedNames, PartsAloneLoseWhatStandsBeforeThem) {
  EXPECT_EQ(unwrapped({"vae.encoder.conv_in.weight", "vae.conv.bias"}),
            (Names{"encoder.conv_in.weight", "conv.bias"}));
  EXPECT_EQ(unwrapped({"text_encoder.text_model.final_layer_norm.bias"}),
            (Names{"text_model.final_layer_norm.bias"}));
  EXPECT_EQ(unwrapped({"ema.unet.down_blocks.0.a", "ema.unet.conv_in.weight"}),
            (Names{"down_blocks.0.a", "conv_in.weight"}));
}

TEST(WrappedNames, PartsOfAPipelineBecomeAModel) {
  EXPECT_EQ(unwrapped({"unet.down_blocks.0.resnets.0.conv1.weight", "unet.conv_in.weight",
                       "vae.encoder.down_blocks.0.resnets.0.conv1.weight",
                       "text_encoder.text_model.final_layer_norm.bias"}),
            (Names{"model.diffusion_model.input_blocks.1.0.in_layers.2.weight",
                   "model.diffusion_model.input_blocks.0.0.weight",
                   "first_stage_model.encoder.down.0.block.0.conv1.weight",
                   "cond_stage_model.transformer.text_model.final_layer_norm.bias"}));
}

TEST(WrappedNames, OtherModelsKeepTheirNames) {
  for (const Names& names :
       {Names{"control_model.input_blocks.0.0.weight"}, Names{"ip_adapter.1.to_k_ip.weight"},
        Names{"lora_unet_down_blocks_0.lora_down.weight"},
        Names{"conditioner.embedders.0.transformer.text_model.final_layer_norm.weight"}}) {
    EXPECT_EQ(unwrapped(names), names);
  }
}

TEST(WrappedNames, AveragedWeightsAreToldByTheirKeys) {
  EXPECT_TRUE(is_averaged("ema."));
  EXPECT_TRUE(is_averaged("a.params_ema.model."));
  EXPECT_TRUE(is_averaged("ema_model."));
  EXPECT_FALSE(is_averaged("schema.cinema."));
}

}  // namespace
}  // namespace sd
