// Checkpoints as users have them: with more in them than a model, with less, or in other shapes.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "sd/weights/summary.h"
#include "sd/weights/write_safetensors.h"
#include "support/expect_error.h"
#include "support/map_source.h"
#include "support/model_copies.h"
#include "support/temp_folder.h"
#include "weights/expected_tensors.h"
#include "weights/family.h"
#include "weights/open_file.h"
#include "weights/renamed_source.h"
#include "weights/usual_ranks.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::MapSource;

const TensorSource& tiny() {
  static const auto model = open_model(fs::path(SD_TEST_DATA) / "tiny-v1.ckpt");
  return *model.tensors;
}

constexpr const char* kWords =
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";
constexpr const char* kMiddle = "model.diffusion_model.middle_block.";

/// The tiny model as a .safetensors; `change` may rename or reshape a tensor, or leave it out by
/// taking its name away.
using Change = std::function<void(std::string& name, TensorView& view)>;

class FieldFile : public testing::Test {
 protected:
  fs::path write(const Change& change, const std::vector<NamedTensor>& more = {}) const {
    std::vector<NamedTensor> tensors = more;
    for (const auto& original : tiny().names()) {
      auto name = original;
      auto view = tiny().at(original);
      change(name, view);
      if (!name.empty()) tensors.push_back({name, view});
    }
    const auto path = folder_ / "model.safetensors";
    write_safetensors(path, tensors, {}, /*overwrite=*/true);
    return path;
  }
  fs::path write_with(const std::string& name) const {
    return write([](auto&, auto&) {}, {{name, tiny().at("betas")}});
  }
  static void expect_tiny(const TensorSource& tensors) {
    for (const auto& name : tiny().names()) {
      ASSERT_TRUE(tensors.contains(name)) << name;
      ASSERT_EQ(tensors.describe(name).shape, tiny().describe(name).shape) << name;
    }
  }

  test::TempFolder folder_;
};

TEST_F(FieldFile, AWholeModelIsOneWhateverElseItHolds) {
  for (const char* name :
       {"control_model.input_blocks.0.0.weight", "lora_unet_down_blocks_0.lora_down.weight",
        "lora_te_text_model.lora_up.weight", "emb_params", "<cat-toy>",
        "ip_adapter.1.to_k_ip.weight", "conditioner.embedders.0.x", "double_blocks.0.x",
        "transformer_blocks.0.x", "clip_g", "optimizer.state.0.exp_avg", "depth_model.model.x",
        "model_ema.decay"}) {
    const auto path = write_with(name);
    EXPECT_NO_THROW(open_model(path)) << name;
    const auto summary = describe_model(path);
    EXPECT_EQ(summary.family, "Stable Diffusion v1") << name;
    EXPECT_EQ(summary.problem, "") << name;
  }
}

TEST_F(FieldFile, WhatStandsInsideAModelMakesAnotherOfIt) {
  expect_error<CheckpointError>(
      [&] { open_model(write_with("model.diffusion_model.label_emb.0.0.weight")); },
      "class-conditional");
  expect_error<CheckpointError>(
      [&] { open_model(write_with("model.diffusion_model.x.to_q.base_layer.weight")); },
      "a LoRA that was not merged");
}

TEST_F(FieldFile, WhatAUNetLacksIsSaidWithTheOptionThatBringsIt) {
  const auto lacking = [&](const std::string& prefix) {
    return write([&](std::string& name, TensorView&) {
      if (name.starts_with(prefix)) name.clear();
    });
  };
  expect_error<CheckpointError>([&] { open_model(lacking("first_stage_model.")); },
                                "found: UNet without a VAE", "Add one with --vae FILE");
  expect_error<CheckpointError>([&] { open_model(lacking("cond_stage_model.")); },
                                "found: UNet without a text encoder", "--clip FILE");
}

TEST_F(FieldFile, ABareUNetIsCompletedByBothParts) {
  const auto ckpt = fs::path(SD_TEST_DATA) / "tiny-v1.ckpt";
  for (const char* prefix : {"", "model.diffusion_model.", "diffusion_model.", "module."}) {
    const auto path = write([&](std::string& name, TensorView&) {
      const std::string_view unet = "model.diffusion_model.";
      name = name.starts_with(unet) ? prefix + name.substr(unet.size()) : "";
    });
    const auto model = open_model(path, {ckpt, ckpt});
    EXPECT_TRUE(model.tensors->contains(std::string(kMiddle) + "0.in_layers.0.weight")) << prefix;
    EXPECT_NO_THROW(detect_config(*model.tensors, {})) << prefix;
  }
}

TEST_F(FieldFile, ADiffusersUNetIsCompletedByBothParts) {
  const auto ckpt = fs::path(SD_TEST_DATA) / "tiny-v1.ckpt";
  const auto unet = fs::path(SD_TEST_DATA) / "tiny-v1-diffusers/unet";
  for (const auto& path : {unet, unet / "diffusion_pytorch_model.safetensors"}) {
    const auto model = open_model(path, {ckpt, ckpt});
    ASSERT_TRUE(model.config.has_value());
    EXPECT_EQ(detect_config(*model.tensors, *model.config).unet, model.config->unet);
  }
}

TEST_F(FieldFile, AFolderWithoutAPartIsCompleted) {
  const auto ckpt = fs::path(SD_TEST_DATA) / "tiny-v1.ckpt";
  for (const char* part : {"vae", "text_encoder"}) {
    const auto path = folder_ / part;
    fs::copy(fs::path(SD_TEST_DATA) / "tiny-v1-diffusers", path, fs::copy_options::recursive);
    fs::remove_all(path / part);
    expect_error<IoError>([&] { open_model(path); }, part);
    const auto model = open_model(path, {ckpt, ckpt});
    EXPECT_NO_THROW(detect_config(*model.tensors, *model.config)) << part;
  }
}

TEST_F(FieldFile, AUNetWithoutItsMiddleIsReadAsItIs) {
  const auto without = [&](const std::string& prefix) {
    const auto path = write([&](std::string& name, TensorView&) {
      if (name.starts_with(prefix)) name.clear();
    });
    return describe_model(path).problem;
  };
  EXPECT_EQ(without(kMiddle), "");
  EXPECT_NE(without(std::string(kMiddle) + "1.").find("has no middle block's transformer"),
            std::string::npos);
}

/// The number that the usual script gives a block of a UNet with one residual block a level.
std::string with_gaps(std::string name) {
  const std::string unet = "model.diffusion_model.";
  const auto renumber = [&](const std::string& side, auto number_of) {
    if (!name.starts_with(unet + side)) return;
    const auto begin = unet.size() + side.size(), end = name.find('.', begin);
    const int number = std::stoi(name.substr(begin, end - begin));
    name = unet + side + number_of(number, name.substr(end));
  };
  renumber("input_blocks.", [](int number, const std::string& rest) {
    const int level = (number - 1) / 2, place = (number - 1) % 2;
    return std::to_string(number == 0 ? 0 : 1 + 3 * level + (place == 0 ? 0 : 2)) + rest;
  });
  renumber("output_blocks.", [](int number, const std::string& rest) {
    const bool upsampler = rest.find(".conv.") != rest.npos;
    return std::to_string(3 * (number / 2) + (upsampler ? 2 : number % 2)) + rest;
  });
  return name;
}

TEST(CutUNet, GapsInTheNumbersOfItsBlocksAreClosed) {
  ModelConfig config;
  config.unet.num_res_blocks = 1;
  config.unet.channel_mult = {1, 2, 4};
  config.unet.middle = UNetMiddle::kNone;
  MapSource source;
  for (const auto& [name, shape] : expected_tensors(config)) source.set(with_gaps(name), shape);
  ASSERT_TRUE(source.contains("model.diffusion_model.input_blocks.3.0.op.weight"));
  ASSERT_TRUE(source.contains("model.diffusion_model.output_blocks.5.2.conv.weight"));
  const auto model = with_published_names(std::make_unique<MapSource>(source));
  EXPECT_EQ(detect_config(*model, {}).unet, config.unet);
  EXPECT_TRUE(compare_with_expected(*model, expected_tensors(config)).missing.empty());
}

TEST_F(FieldFile, MatricesAndConvolutionsOfOnePixelAreTheSame) {
  const auto path = write([](std::string& name, TensorView& view) {
    const bool flatten =
        name.find(".attn_1.") != name.npos || name.find("nin_shortcut") != name.npos;
    const bool raise = name.find(".to_q.") != name.npos || name.find(".fc1.") != name.npos;
    if (flatten && view.shape.size() == 4) view.shape.resize(2);
    if (raise && view.shape.size() == 2) view.shape.insert(view.shape.end(), {1, 1});
  });
  expect_tiny(*open_model(path).tensors);
  EXPECT_EQ(describe_model(path).problem, "");
}

TEST(UsualRanks, ProjectionsFollowTheFirstOfThem) {
  const std::string first = "model.diffusion_model.input_blocks.1.1.proj_in.weight";
  const std::string second = "model.diffusion_model.input_blocks.1.1.proj_out.weight";
  MapSource source;
  source.set(first, {8, 8});
  source.set(second, {8, 8, 1, 1});
  EXPECT_EQ(with_usual_ranks(std::make_unique<MapSource>(source))->describe(second).shape,
            (std::vector<int64_t>{8, 8}));
  source.set(second, {8, 8, 3, 3});  // no matrix
  EXPECT_EQ(with_usual_ranks(std::make_unique<MapSource>(source))->describe(second).shape.size(),
            4u);
}

TEST_F(FieldFile, TheTextEncoderTellsTheGeneration) {
  MapSource source(tiny());
  for (const auto& name : tiny().names()) {
    if (name.ends_with(".proj_in.weight")) source.set(name, {64, 64});
  }
  EXPECT_EQ(guess_family(source).name, "Stable Diffusion v1");
  EXPECT_EQ(family_config(source, {}).unet.num_heads, UNetConfig{}.num_heads);
  EXPECT_EQ(family_config(source, {}).unet.num_head_channels, -1);
  source.set(kWords, {49408, 1024});
  EXPECT_EQ(guess_family(source).name, "Stable Diffusion v2");
  EXPECT_EQ(family_config(source, {}).unet.num_head_channels, 64);
}

TEST_F(FieldFile, ATensorUnderTwoNamesIsOneIfBothAreEqual) {
  const std::string old = "cond_stage_model.transformer.embeddings.token_embedding.weight";
  const auto equal = write([](auto&, auto&) {}, {{old, tiny().at(kWords)}});
  expect_tiny(*open_model(equal).tensors);
  EXPECT_NO_THROW(open_model(equal).tensors->at(kWords));
}

TEST_F(FieldFile, ATensorUnderTwoNamesThatDifferIsNamed) {
  const std::string old = "cond_stage_model.transformer.final_layer_norm.weight";
  const std::string name = "cond_stage_model.transformer.text_model.final_layer_norm.weight";
  auto other = tiny().at("cond_stage_model.transformer.text_model.final_layer_norm.bias");
  const auto differs = open_model(write([](auto&, auto&) {}, {{old, other}}));
  expect_error<CheckpointError>([&] { differs.tensors->at(name); }, old, name, "but differ");
  other.shape = {2, 16};
  expect_error<CheckpointError>(
      [&] {
        open_model(write([](auto&, auto&) {}, {{old, other}}));
      },
      old, "of shapes [2, 16] and [32]");
}

TEST(RenamedSource, EqualNumbersInTwoDtypesAreEqual) {
  const test::TempFolder folder;
  const float one = 1;
  const uint16_t half = 0x3c00;
  NamedTensor first{"a", {}}, second{"b", {}};
  first.view.shape = second.view.shape = {1};
  first.view.bytes = std::as_bytes(std::span(&one, 1));
  second.view.dtype = DType::kF16;
  second.view.bytes = std::as_bytes(std::span(&half, 1));
  const std::vector<NamedTensor> both = {first, second};
  write_safetensors(folder / "x.safetensors", both);
  const auto renamed = rename_tensors(open_weights(folder / "x.safetensors").tensors,
                                      {{"c", 0, "a"}, {"c", 0, "b"}});
  EXPECT_EQ(renamed->at("c").dtype, DType::kF32);
}

/// data.pkl of the tiny model with the dictionary of its tensors below other keys.
std::string nested(const std::vector<std::string>& keys, const std::string& beside = "") {
  const auto checkpoint = test::copy_as_checkpoint(tiny());
  test::PickleWriter pickle;
  for (const auto& key : keys) pickle.op("}(").op(beside).text(key);
  pickle.op("}(");
  for (const auto& [name, tensor] : checkpoint.tensors) pickle.text(name).tensor(tensor);
  pickle.op("u");
  for (std::size_t i = 0; i < keys.size(); ++i) pickle.op("u");
  return test::write_checkpoint(checkpoint, pickle.done());
}

TEST_F(FieldFile, AModelIsFoundBelowAnyKey) {
  for (const std::vector<std::string>& keys : {std::vector<std::string>{"ema"},
                                               {"params"},
                                               {"ckpt", "weights"},
                                               {"model", "params_ema"},
                                               {"a", "b", "c", "d"}}) {
    const auto path = folder_ / "model.ckpt";
    test::write_text(path, nested(keys));
    EXPECT_EQ(open_model(path).tensors->names(), tiny().names()) << keys.front();
  }
}

TEST_F(FieldFile, AModelIsFoundBesideOtherDictionaries) {
  const auto path = folder_ / "model.ckpt";
  const auto optimizer = test::PickleWriter().text("optimizer").op("}").text("step").done();
  // Without the protocol and the stop that the writer puts around it: "optimizer": {}, "step": None
  const auto beside = optimizer.substr(2, optimizer.size() - 3) + "N";
  test::write_text(path, nested({"network"}, beside));
  EXPECT_EQ(open_model(path).tensors->names(), tiny().names());
}

TEST_F(FieldFile, PlainWeightsAreTakenBeforeAveragedOnes) {
  const auto checkpoint = test::copy_as_checkpoint(tiny());
  test::PickleWriter pickle;
  pickle.op("}(").text("ema").op("}(");
  pickle.text("model.diffusion_model.out.0.weight").tensor(checkpoint.tensors.front().second);
  pickle.op("u").text("online").op("}(");
  for (const auto& [name, tensor] : checkpoint.tensors) pickle.text(name).tensor(tensor);
  pickle.op("uu");
  const auto path = folder_ / "model.ckpt";
  test::write_text(path, test::write_checkpoint(checkpoint, pickle.done()));
  EXPECT_EQ(open_model(path).tensors->names(), tiny().names());
}

}  // namespace
}  // namespace sd
