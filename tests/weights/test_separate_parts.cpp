#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/weights/open.h"
#include "sd/weights/write_safetensors.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "weights/separate_parts.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

fs::path data(const std::string& name) { return fs::path(SD_TEST_DATA) / name; }
fs::path demo() { return fs::path(SD_SOURCE_DIR) / "models/demo"; }

/// Tensors of the tiny checkpoint under other names; "" leaves one out.
void write_renamed(const fs::path& path,
                   const std::function<std::string(const std::string&)>& rename) {
  const auto model = open_model(data("tiny-v1.ckpt"));
  std::vector<NamedTensor> tensors;
  for (const auto& name : model.tensors->names()) {
    const auto renamed = rename(name);
    if (!renamed.empty()) tensors.push_back({renamed, model.tensors->at(name)});
  }
  write_safetensors(path, tensors);
}

/// The names below `prefix`, without it and with `other` instead.
std::function<std::string(const std::string&)> below(const std::string& prefix,
                                                     const std::string& other = "") {
  return [=](const std::string& name) {
    return name.starts_with(prefix) ? other + name.substr(prefix.size()) : std::string();
  };
}

constexpr const char* kVaeTensor = "first_stage_model.decoder.up.3.block.0.conv1.weight";
constexpr const char* kTextTensor =
    "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.weight";
constexpr const char* kTextModel = "cond_stage_model.transformer.text_model.";

TEST(SeparateVae, NamesMayHaveTheirPrefixOrNot) {
  const test::TempFolder folder;
  write_renamed(folder / "bare.safetensors", below("first_stage_model."));
  write_renamed(folder / "full.safetensors", below("first_stage_model.", "first_stage_model."));
  for (const fs::path& path :
       {folder / "bare.safetensors", folder / "full.safetensors", data("tiny-v1.ckpt"),
        data("tiny-v1-diffusers"), data("tiny-v1-diffusers/vae"),
        data("tiny-v1-diffusers/vae/diffusion_pytorch_model.safetensors")}) {
    const auto vae = open_separate_vae(path);
    EXPECT_FALSE(vae.tiny) << path;
    EXPECT_TRUE(vae.tensors->contains(kVaeTensor)) << path;
    EXPECT_FALSE(vae.tensors->contains("model.diffusion_model.out.2.weight")) << path;
    EXPECT_EQ(vae.config.has_value(), path.string().find("-diffusers") != std::string::npos);
  }
}

TEST(SeparateVae, SaysWhatIsMissingOrWhatItIsInstead) {
  const test::TempFolder folder;
  write_renamed(folder / "text.safetensors", below(kTextModel, "text_model."));
  expect_error<CheckpointError>([&] { open_separate_vae(folder / "text.safetensors"); },
                                "text.safetensors: expected an autoencoder",
                                "found: text encoder alone");
  write_renamed(folder / "cut.safetensors", [](const std::string& name) {
    return name == kVaeTensor ? "" : below("first_stage_model.")(name);
  });
  expect_error<CheckpointError>([&] { open_separate_vae(folder / "cut.safetensors"); },
                                "cut.safetensors", "tensors are missing", kVaeTensor);
  expect_error<IoError>([&] { open_separate_vae(folder / "absent.ckpt"); }, "absent.ckpt");
}

TEST(SeparateText, NamesMayHaveTheirPrefixesOrNot) {
  const test::TempFolder folder;
  write_renamed(folder / "bare.safetensors", below(kTextModel));
  write_renamed(folder / "clip.safetensors", below(kTextModel, "text_model."));
  for (const fs::path& path :
       {folder / "bare.safetensors", folder / "clip.safetensors", data("tiny-v1.ckpt"),
        data("tiny-v1-diffusers"), data("tiny-v1-diffusers/text_encoder")}) {
    const auto text = open_separate_text(path);
    EXPECT_TRUE(text.tensors->contains(kTextTensor)) << path;
    EXPECT_FALSE(text.tensors->contains(kVaeTensor)) << path;
  }
  write_renamed(folder / "vae.safetensors", below("first_stage_model."));
  expect_error<CheckpointError>([&] { open_separate_text(folder / "vae.safetensors"); },
                                "expected CLIP's text encoder, found: VAE alone");
}

TEST(OpenModel, TakesPartsFromElsewhere) {
  const test::TempFolder folder;
  write_renamed(folder / "marked.safetensors", [](const std::string& name) {
    return name == kVaeTensor ? name : below("first_stage_model.", "first_stage_model.")(name);
  });
  const auto model =
      open_model(data("tiny-v1.ckpt"), {folder / "marked.safetensors", data("tiny-v1-diffusers")});
  EXPECT_EQ(model.replaced.vae_file, folder / "marked.safetensors");
  EXPECT_EQ(model.replaced.clip_file.filename(), "model.safetensors");
  ASSERT_TRUE(model.replaced.clip.has_value());
  EXPECT_EQ(model.replaced.clip->heads, 2);
  // Where its bytes lie shows where it comes from.
  EXPECT_EQ(model.tensors->at(kVaeTensor).mapping->path(), folder / "marked.safetensors");
  EXPECT_EQ(model.tensors->at("model.diffusion_model.out.2.weight").mapping->path(),
            data("tiny-v1.ckpt"));
  EXPECT_NO_THROW(detect_config(*model.tensors, ModelConfig{}));
}

TEST(OpenModel, RefusesPartsThatDoNotFit) {
  expect_error<CheckpointError>(
      [&] {
        open_model(data("tiny-v1.ckpt"), {std::nullopt, demo()});
      },
      demo().string(), "a text encoder of width 128", "expected 32");
}

TEST(OpenModel, APartCompletesAModelWithoutIt) {
  const test::TempFolder folder;
  write_renamed(folder / "no_vae.safetensors", [](const std::string& name) {
    return name.starts_with("first_stage_model.") ? "" : name;
  });
  expect_error<CheckpointError>([&] { open_model(folder / "no_vae.safetensors"); },
                                "UNet without a VAE");
  const auto model =
      open_model(folder / "no_vae.safetensors", {data("tiny-v1.ckpt"), std::nullopt});
  EXPECT_TRUE(model.tensors->contains(kVaeTensor));
}

}  // namespace
}  // namespace sd
