#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "support/checkpoint_writer.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using namespace std::string_literals;
using test::expect_error;

/// Opens a file of these bytes; its name must not matter, and the message must begin with its path.
void expect_refused(const std::string& bytes, std::string_view part) {
  const test::TempFolder folder;
  for (const char* name : {"model.ckpt", "model.safetensors"}) {
    const auto path = folder / name;
    test::write_text(path, bytes);
    expect_error<CheckpointError>([&] { open_model(path); }, path.string() + ": ", part);
  }
}

std::string safetensors_of(const std::string& name) {
  return test::write_safetensors(
      R"({")" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
}

TEST(OpenModel, SaysWhatAFileIsInstead) {
  expect_refused("", "the file is empty");
  expect_refused("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4265380512\n",
                 "Git LFS pointer");
  expect_refused("<!DOCTYPE html>\n<html><head></head></html>", "HTML page");
  expect_refused("\n  <HTML lang=en>", "HTML page");
  expect_refused("\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."s,
                 "PyTorch before 1.6");
  expect_refused("\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00]."s, "a Python pickle");
  expect_refused("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"s, "PNG picture");
  expect_refused("GGUF\x03\x00\x00\x00\x00\x00\x00\x00"s, "GGUF");
  expect_refused("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00"s, "gzip");
  expect_refused("404: Not Found", "a text file");
  expect_refused("\x01\x02\x03"s, "truncated to 3 bytes");
  expect_refused("\x93\x1c\xe7\x0a\x55\x3b\x9f\x00\x41\x42\x43\x44\x45\x46"s,
                 "neither a .ckpt (zip) nor");
  expect_refused("\xff\xff\xff\xff\xff\xff\xff\xff{\"a\":1}"s,
                 "safetensors header of 18446744073709551615 bytes");
}

TEST(OpenModel, SaysThatAFileIsTruncated) {
  test::Checkpoint checkpoint;
  checkpoint.tensors = {{"w", {"FloatStorage", "0", 4, 0, {4}, {1}}}};
  checkpoint.storages = {{"0", "0123456789abcdef"}};
  const auto zip = test::write_checkpoint(checkpoint);
  expect_refused(zip.substr(0, zip.size() / 2), "truncated zip archive");
  const auto safetensors = safetensors_of("a");
  expect_refused(safetensors.substr(0, safetensors.size() - 1), "truncated safetensors file");
}

TEST(OpenModel, NamesWhatTensorsAreForInstead) {
  expect_refused(safetensors_of("lora_unet_mid_block_attentions_0.lora_down.weight"),
                 "found: LoRA");
  expect_refused(safetensors_of("unet.up_blocks.0.attn.processor.to_k_lora.up.lora_A.weight"),
                 "found: LoRA");
  expect_refused(safetensors_of("encoder.down.0.block.0.conv1.weight"), "found: VAE alone");
  expect_refused(safetensors_of("decoder.up_blocks.0.resnets.0.conv1.weight"), "found: VAE alone");
  expect_refused(safetensors_of("text_model.encoder.layers.0.mlp.fc1.weight"),
                 "found: text encoder alone");
  expect_refused(safetensors_of("down_blocks.0.resnets.0.conv1.weight"), "model_index.json");
  expect_refused(safetensors_of("conditioner.embedders.0.x"), "found: Stable Diffusion XL");
}

TEST(OpenModel, AFolderWithoutAnIndexIsRefused) {
  const test::TempFolder folder;
  expect_error<CheckpointError>([&] { open_model(folder.path()); }, folder.path().string(),
                                "without model_index.json");
}

TEST(OpenModel, WhatIsNotThereIsAnIoError) {
  const test::TempFolder folder;
  expect_error<IoError>([&] { open_model(folder / "none.ckpt"); }, "none.ckpt");
  std::filesystem::create_symlink(folder / "nowhere", folder / "link.ckpt");
  expect_error<IoError>([&] { open_model(folder / "link.ckpt"); }, "link.ckpt");
}

}  // namespace
}  // namespace sd
