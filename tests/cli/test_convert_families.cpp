// `sd convert` for the families beside Stable Diffusion v1: what was converted draws the same
// bytes.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"
#include "support/family_model.h"
#include "support/tiny_laion.h"
#include "weights/open_file.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::Finished;
using test::TinyFamily;
using Strings = std::vector<std::string>;

class ConvertFamilies : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return run_.path(name); }

  Finished run(const std::string& command, const Strings& arguments) const {
    auto setup = run_.setup({});
    setup.arguments = {command};
    setup.arguments.insert(setup.arguments.end(), arguments.begin(), arguments.end());
    return run_program(setup);
  }
  void convert(const std::string& from, const std::string& to) const {
    const auto finished = run("convert", {from, to});
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  nlohmann::json info(const std::string& model) const {
    const auto finished = run("info", {"--json", model});
    EXPECT_EQ(finished.code, 0) << finished.err;
    return nlohmann::json::parse(finished.out);
  }

  /// The pixels that a command draws with each model in turn, which have to be the same.
  void expect_same_pictures(const Strings& models, const std::string& command,
                            const Strings& arguments) const {
    for (const auto& model : models) {
      auto setup =
          run_.setup({"--ckpt", model, "--n_samples", "1", "--n_iter", "1", "--skip_grid"});
      setup.arguments.front() = command;
      setup.arguments.insert(setup.arguments.end(), arguments.begin(), arguments.end());
      const auto drawn = run_program(setup);
      ASSERT_EQ(drawn.code, 0) << model << drawn.err;
    }
    ASSERT_EQ(run_.samples().size(), models.size());
    const auto first = run_.sample("00000.png").pixels;
    for (const auto& name : run_.samples()) EXPECT_EQ(run_.sample(name).pixels, first) << name;
  }

  /// A family's checkpoint through a file, a folder and a file again.
  Strings round_trip(TinyFamily family,
                     const std::vector<std::pair<std::string, std::string>>& metadata = {}) const {
    const Strings models = {path("original.safetensors"), path("a.safetensors"), path("folder"),
                            path("b.safetensors")};
    write_family(family, models[0], metadata);
    for (std::size_t i = 1; i < models.size(); ++i) convert(models[i - 1], models[i]);
    return models;
  }
  std::string picture(const std::string& name, int64_t channels) const {
    Image image{64, 64, channels, {}};
    for (int64_t i = 0; i < 64 * 64 * channels; ++i)
      image.pixels.push_back(i / channels % 64 < 32 ? 0 : 255);
    const auto png = encode_png(image);
    return run_.file(name, {reinterpret_cast<const char*>(png.data()), png.size()});
  }

  const Strings kSmall = {"--H", "64", "--W", "64"};
  test::TinyRun run_;
};

std::map<std::string, std::string> metadata_of(const std::string& file) {
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : open_weight_file(file).metadata) metadata[key] = value;
  return metadata;
}

TEST_F(ConvertFamilies, ASecondGenerationModelDrawsTheSame) {
  const auto models = round_trip(TinyFamily::kV2Velocity);
  expect_same_pictures(models, "txt2img", kSmall);
  const auto text = nlohmann::json::parse(test::read_text(path("folder/text_encoder/config.json")));
  EXPECT_EQ(text.at("hidden_act"), "gelu");
  EXPECT_EQ(text.at("pad_token_id"), 0);
  const auto scheduler =
      nlohmann::json::parse(test::read_text(path("folder/scheduler/scheduler_config.json")));
  EXPECT_EQ(scheduler.at("prediction_type"), "v_prediction");
  const auto specials =
      nlohmann::json::parse(test::read_text(path("folder/tokenizer/special_tokens_map.json")));
  EXPECT_EQ(specials.at("pad_token"), "!");
  // A guess stays one; what the folder states stays stated.
  EXPECT_EQ(info(models[1]).at("prediction_assumed"), true);
  EXPECT_EQ(info(models[3]).at("prediction_assumed"), false);
  EXPECT_EQ(metadata_of(models[3]).at("modelspec.prediction_type"), "v");
  EXPECT_FALSE(fs::exists(path("a.yaml")));
  for (const auto& model : models) {
    const auto found = info(model);
    EXPECT_TRUE(found.at("problem").is_null()) << found;
    EXPECT_TRUE(found.at("unexpected").empty()) << found;
  }
}

TEST_F(ConvertFamilies, OpenClipKeepsItsNamesAndEveryBit) {
  write_family(TinyFamily::kV2, path("in.safetensors"));
  convert(path("in.safetensors"), path("out.safetensors"));
  const auto before = open_weight_file(path("in.safetensors")).tensors;
  const auto after = open_weight_file(path("out.safetensors")).tensors;
  ASSERT_TRUE(
      after->contains("cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"));
  EXPECT_EQ(after->names().size(), before->names().size());
  for (const auto& name : before->names()) {
    ASSERT_TRUE(after->contains(name)) << name;
    const auto wanted = before->at(name), there = after->at(name);
    EXPECT_EQ(there.shape, wanted.shape) << name;
    ASSERT_EQ(there.bytes.size(), wanted.bytes.size()) << name;
    EXPECT_EQ(std::memcmp(there.bytes.data(), wanted.bytes.data(), wanted.bytes.size()), 0) << name;
  }
}

TEST_F(ConvertFamilies, AFirstGenerationVelocityModelSaysSoInItsMetadata) {
  const auto models = round_trip(TinyFamily::kV1Velocity, {{"modelspec.prediction_type", "v"}});
  expect_same_pictures(models, "txt2img", kSmall);
  for (const auto& model : {models[1], models[3]}) {
    EXPECT_EQ(metadata_of(model).at("modelspec.prediction_type"), "v");
    EXPECT_EQ(info(model).at("prediction"), "v");
  }
}

TEST_F(ConvertFamilies, AnInpaintingModelDrawsTheSame) {
  const auto models = round_trip(TinyFamily::kV1Inpainting);
  expect_same_pictures(
      models, "img2img",
      {"--init-img", picture("start.png", 3), "--init-mask", picture("mask.png", 1)});
  const auto index = nlohmann::json::parse(test::read_text(path("folder/model_index.json")));
  EXPECT_EQ(index.at("_class_name"), "StableDiffusionInpaintPipeline");
}

TEST_F(ConvertFamilies, InstructPix2PixDrawsTheSame) {
  const auto models = round_trip(TinyFamily::kPix2Pix);
  expect_same_pictures(models, "img2img", {"--init-img", picture("start.png", 3)});
  const auto index = nlohmann::json::parse(test::read_text(path("folder/model_index.json")));
  EXPECT_EQ(index.at("_class_name"), "StableDiffusionInstructPix2PixPipeline");
}

TEST_F(ConvertFamilies, ALaionModelDrawsTheSameAndHasNoFolder) {
  const test::TinyLaion model;
  model.write_config("laion.yaml");
  convert(model.checkpoint(), path("a.safetensors"));
  expect_same_pictures({model.checkpoint(), path("a.safetensors")}, "txt2img", {});
  const auto found = info(path("a.safetensors"));
  EXPECT_TRUE(found.at("problem").is_null()) << found;
  EXPECT_TRUE(found.at("unexpected").empty()) << found;
  const auto refused = run("convert", {model.checkpoint(), path("folder")});
  EXPECT_EQ(refused.code, 4);
  EXPECT_TRUE(contains(refused.err, "diffusers has no pipeline")) << refused.err;
  EXPECT_TRUE(contains(refused.err, "NAME.safetensors")) << refused.err;
  EXPECT_FALSE(fs::exists(path("folder")));
}

TEST_F(ConvertFamilies, ASentencePieceModelStaysAFolder) {
  const fs::path model = path("model");
  fs::copy(SD_TEST_DATA "/tiny-v1-diffusers", model, fs::copy_options::recursive);
  fs::create_directory(model / "tokenizer");
  fs::copy_file(SD_TEST_DATA "/sentencepiece/spiece.model", model / "tokenizer/spiece.model");
  test::write_text(model / "tokenizer/tokenizer_config.json",
                   R"({"tokenizer_class": "T5Tokenizer", "do_lower_case": true, "eos_token": "</s>",
                       "unk_token": "<unk>", "pad_token": "[PAD]"})");
  convert(model, path("copy"));
  expect_same_pictures({model, path("copy")}, "txt2img", {"--prompt", "a red circle"});
  const auto index = nlohmann::json::parse(test::read_text(path("copy/model_index.json")));
  EXPECT_EQ(index.at("tokenizer").at(1), "T5Tokenizer");
  const auto refused = run("convert", {model, path("file.safetensors")});
  EXPECT_EQ(refused.code, 4);
  EXPECT_TRUE(contains(refused.err, "SentencePiece")) << refused.err;
}

}  // namespace
}  // namespace sd
