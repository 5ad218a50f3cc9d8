// Which of the files in a diffusers folder's part are read.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "sd/core/error.h"
#include "sd/weights/variants.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "weights/part_weights.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

class PartFolder : public testing::Test {
 protected:
  void add(const std::string& name, const std::string& text = "x") const {
    test::write_text(folder_ / name, text);
  }
  std::string chosen() const {
    return require_part_weights(folder_.path()).files.files.front().filename().string();
  }
  std::string variant() const { return require_part_weights(folder_.path()).variant; }

  test::TempFolder folder_;
};

TEST_F(PartFolder, EachBetterFileTakesThePlace) {
  for (const char* name :
       {"diffusion_pytorch_model.non_ema.bin", "diffusion_pytorch_model.fp16-ema.safetensors",
        "diffusion_pytorch_model.bf16.bin", "diffusion_pytorch_model.bf16.safetensors",
        "diffusion_pytorch_model.fp16.bin", "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"}) {
    add(name);
    EXPECT_EQ(chosen(), name);
  }
}

TEST_F(PartFolder, TheVariantIsTold) {
  add("model.bf16.safetensors");
  EXPECT_EQ(variant(), "bf16");
  add("model.safetensors");
  EXPECT_EQ(variant(), "");
}

TEST_F(PartFolder, ShardsOfAVariantAreFoundByTheirIndex) {
  add("model.safetensors.index.bf16.json",
      R"({"weight_map": {"a": "model.bf16-00001-of-00002.safetensors"}})");
  EXPECT_EQ(chosen(), "model.bf16-00001-of-00002.safetensors");
  EXPECT_EQ(variant(), "bf16");
}

TEST_F(PartFolder, ShardsOfAVariantAreFoundByTheirNames) {
  add("model.bf16-00001-of-00002.safetensors");
  add("model.bf16-00002-of-00002.safetensors");
  EXPECT_EQ(require_part_weights(folder_.path()).files.files.size(), 2u);
  EXPECT_EQ(variant(), "bf16");
}

TEST_F(PartFolder, OtherFilesAreNoWeights) {
  for (const char* name : {"model.onnx", "flax_model.msgpack", "modeling.bin", "model.bin.txt",
                           "model_.safetensors", "model..x.y.safetensors"}) {
    add(name);
  }
  EXPECT_FALSE(find_part_weights(folder_.path()).has_value());
  expect_error<CheckpointError>([&] { require_part_weights(folder_.path()); }, "no weights in it");
}

TEST_F(PartFolder, ALinkToNowhereIsNamed) {
  fs::create_directory_symlink("gone", folder_ / "unet");
  expect_error<IoError>([&] { require_part_weights(folder_ / "unet"); }, "is a link to gone");
}

TEST_F(PartFolder, AFolderSaysWhichVariantIsRead) {
  add("model_index.json", "{}");
  for (const char* part : {"unet", "vae", "text_encoder"}) fs::create_directory(folder_ / part);
  add("unet/diffusion_pytorch_model.bf16.safetensors");
  add("vae/diffusion_pytorch_model.safetensors");
  EXPECT_EQ(variant_notice(folder_.path()),
            folder_.path().string() + ": read the variant 'bf16' of unet");
  fs::rename(folder_ / "unet/diffusion_pytorch_model.bf16.safetensors",
             folder_ / "unet/diffusion_pytorch_model.safetensors");
  EXPECT_EQ(variant_notice(folder_.path()), std::nullopt);
}

}  // namespace
}  // namespace sd
