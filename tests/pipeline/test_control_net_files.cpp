// Files that are no control net for a model, each named.
#include <gtest/gtest.h>

#include <filesystem>

#include "sd/core/error.h"
#include "support/control_net_files.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::expect_error;
using test::family_model;
using test::load_tensors;
using test::net_tensors;
using test::TempFolder;
using test::TinyFamily;
using test::write_tensors;

constexpr auto kV1 = TinyFamily::kV1Velocity;

TEST(ControlNet, OfAnotherFamilyIsRefusedNamingBoth) {
  const TempFolder folder;
  write_tensors(folder / "net.safetensors", net_tensors(TinyFamily::kV2, "first."));
  expect_error<CheckpointError>(
      [&] { load_control_net(folder / "net.safetensors", family_model(kV1)); },
      "64 channels, context 128", "32 channels, context 48");
}

TEST(ControlNet, AnIncompleteOneIsRefused) {
  auto tensors = net_tensors(kV1, "first.");
  tensors.pop_back();
  expect_error<CheckpointError>([&] { load_tensors(kV1, tensors); }, "1 tensors are missing",
                                "middle_block_out.0.bias");
}

TEST(ControlNet, ATruncatedFileIsRefused) {
  const TempFolder folder;
  write_tensors(folder / "net.safetensors", net_tensors(kV1, "first."));
  std::filesystem::resize_file(folder / "net.safetensors", 100'000);
  expect_error<CheckpointError>(
      [&] { load_control_net(folder / "net.safetensors", family_model(kV1)); }, "net.safetensors");
}

TEST(ControlNet, ALoraIsRefusedByName) {
  expect_error<CheckpointError>(
      [&] {
        load_tensors(kV1, {{"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight",
                            torch::ones({4, 64, 1, 1})}});
      },
      "found: LoRA");
}

TEST(ControlNet, OfStableDiffusionXlIsRefusedByName) {
  auto tensors = net_tensors(kV1, "first.");
  tensors.emplace_back("label_emb.0.0.weight", torch::ones({8, 8}));
  expect_error<CheckpointError>([&] { load_tensors(kV1, tensors); }, "Stable Diffusion XL");
}

}  // namespace
}  // namespace sd
