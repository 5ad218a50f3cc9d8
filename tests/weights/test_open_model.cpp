#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "support/checkpoint_writer.h"
#include "support/expect_error.h"
#include "support/gguf_writer.h"
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
  expect_refused("\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."s, "cut short");
  expect_refused("\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00]."s, "a Python pickle");
  expect_refused("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"s, "PNG picture");
  expect_refused("GGUF\x03\x00\x00\x00\x00\x00\x00\x00"s, "cut short");
  expect_refused("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00"s, "gzip");
  expect_refused("404: Not Found", "a text file");
  expect_refused("\x01\x02\x03"s, "truncated to 3 bytes");
  expect_refused("\x93\x1c\xe7\x0a\x55\x3b\x9f\x00\x41\x42\x43\x44\x45\x46"s,
                 "neither a .ckpt nor a .safetensors or GGUF file");
  expect_refused("\xff\xff\xff\xff\xff\xff\xff\xff{\"a\":1}"s,
                 "safetensors header of 18446744073709551615 bytes");
}

TEST(OpenModel, NamesModelsOfOtherPrograms) {
  expect_refused("\x89HDF\r\n\x1a\n\x00\x00\x00\x00"s, "HDF5 file (Keras), which is not supported");
  expect_refused(
      "\x08\x07\x12\x07pytorch\x1a\x05"
      "1.8.0"s,
      "ONNX model, which is not supported");
  expect_refused(
      "\x81\xaa"
      "conv_in\x82\xa4"
      "bias\xc7"s,
      "Flax (JAX) checkpoint, which is not");
  expect_refused(
      "\xde\x00\x02\xd9\x20"
      "params\xc7"s,
      "Flax (JAX) checkpoint, which is not");
  expect_refused("ftrt\x00\x00\x00\x00\xe8\x00\x00\x00"s,
                 "TensorRT engine, which is not supported");
  expect_refused("\x1c\x00\x00\x00TFL3\x14\x00 \x00"s, "TensorFlow Lite model, which is not");
  const auto tar = [](const std::string& name) {
    std::string bytes = name;
    bytes.resize(257, '\0');
    bytes += "ustar";
    bytes.resize(1024, '\0');
    return bytes;
  };
  expect_refused(tar("sys_info"), "PyTorch before 0.1.10 (a tar archive), which is not supported");
  expect_refused(tar("model.ckpt"), "a tar archive; unpack it first");
}

TEST(OpenModel, NamesPickledThingsThatAreNoWeights) {
  const auto with_key = [](std::string_view key, std::string_view value = "}") {
    const auto pickle = test::PickleWriter().op("}(").text(key).op(value).op("u").done();
    return test::write_checkpoint({}, pickle);
  };
  for (const auto& wrap :
       {with_key("param_groups", "]"), with_key("optimizer_states", "]"), with_key("optimizer"),
        with_key("string_to_param"), with_key("layer_structure", "]")}) {
    expect_refused(wrap, "expected a Stable Diffusion model, found ");
  }
  expect_refused(with_key("param_groups"), "found the state of an optimiser");
  expect_refused(with_key("optimizer_states"), "found a training checkpoint without a model's");
  expect_refused(with_key("string_to_param"), "found a textual inversion embedding");
}

TEST(OpenModel, LengthsOfHeadersThatLookLikeOtherFilesAreNoOtherFiles) {
  for (const std::size_t length : {std::size_t{0x8b1f}, std::size_t{0x0280}, std::size_t{0x08b12},
                                   std::size_t{0x120708}, std::size_t{0xa181}}) {
    std::string header = R"({"emb_params":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    header.resize(length, ' ');
    expect_refused(test::write_safetensors(header, "x"), "found: textual inversion embedding");
  }
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
  expect_refused(safetensors_of("emb_params"), "found: textual inversion embedding");
  expect_refused(safetensors_of("<cat-toy>"), "found: textual inversion embedding");
  expect_refused(safetensors_of("clip_g"), "found: textual inversion embedding");
  expect_refused(safetensors_of("ip_adapter.1.to_k_ip.weight"), "found: IP-Adapter");
  expect_refused(safetensors_of("depth_model.model.x"), "found: depth-guided Stable Diffusion 2");
  expect_refused(safetensors_of("model.diffusion_model.joint_blocks.0.x"),
                 "found: Stable Diffusion 3");
  expect_refused(safetensors_of("joint_blocks.0.x"), "found: Stable Diffusion 3");
  expect_refused(safetensors_of("model.diffusion_model.double_blocks.0.x"), "found: FLUX");
  expect_refused(safetensors_of("single_transformer_blocks.0.x"), "found: FLUX");
  expect_refused(safetensors_of("transformer_blocks.0.x"), "found: diffusion transformer");
  expect_refused(safetensors_of("control_model.input_blocks.0.0.weight"), "found: ControlNet");
  expect_refused(safetensors_of("controlnet_cond_embedding.conv_in.weight"), "found: ControlNet");
  expect_refused(safetensors_of("transformer.resblocks.0.ln_1.weight"), "text encoder alone");
  expect_refused(safetensors_of("encoder.block.0.layer.0.x"), "text encoder alone (T5)");
  expect_refused(safetensors_of("model.layers.0.mlp.up_proj.weight"), "found: language model");
  expect_refused(safetensors_of("conv_first.weight"), "enlarges pictures");
}

TEST(OpenModel, NamesAGgufOfALanguageModel) {
  expect_refused(test::GgufWriter()
                     .text("general.architecture", "llama")
                     .tensor({"token_embd.weight", {256}, 12, std::string(144, 'x')})
                     .tensor({"blk.0.attn_q.weight", {4}, 0, "0123456789abcdef"})
                     .done(),
                 "found: language model");
  expect_refused(test::GgufWriter()
                     .text("general.architecture", "sd1")
                     .tensor({"input_blocks.0.0.weight", {4}, 0, "0123456789abcdef"})
                     .done(),
                 "found: UNet alone");
}

TEST(OpenModel, AFolderWithoutAnIndexIsRefused) {
  const test::TempFolder folder;
  expect_error<CheckpointError>([&] { open_model(folder.path()); }, folder.path().string(),
                                "neither model_index.json");
}

TEST(OpenModel, WhatIsNotThereIsAnIoError) {
  const test::TempFolder folder;
  expect_error<IoError>([&] { open_model(folder / "none.ckpt"); }, "none.ckpt");
  std::filesystem::create_symlink(folder / "nowhere", folder / "link.ckpt");
  expect_error<IoError>([&] { open_model(folder / "link.ckpt"); }, "link.ckpt");
}

}  // namespace
}  // namespace sd
