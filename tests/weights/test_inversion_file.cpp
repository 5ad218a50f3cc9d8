#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "sd/core/error.h"
#include "sd/weights/inversion_file.h"
#include "support/expect_error.h"
#include "support/inversion_values.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::expect_error;
using test::small_inversion;
using enum InversionMethod;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string written(const InversionFile& inversion) {
  const test::TempFolder folder;
  write_inversion(folder / "a.inv.safetensors", inversion);
  return bytes_of(folder / "a.inv.safetensors");
}

InversionFile parsed(const std::string& bytes) {
  return parse_inversion(std::as_bytes(std::span(bytes)), "a.inv.safetensors");
}

/// `bytes` with one text in place of another of the same length.
std::string replaced(std::string bytes, std::string_view from, std::string_view to) {
  const auto at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(from.size(), to.size());
  return bytes.replace(at, from.size(), to);
}

TEST(InversionFile, WhatIsWrittenIsReadBack) {
  for (const auto method : {kDirect, kDdim, kNegativePrompt, kNullText, kEditFriendly}) {
    const auto file = small_inversion(method);
    const auto again = parsed(written(file));
    EXPECT_EQ(again.method, method);
    EXPECT_EQ(again.prompt, file.prompt);
    EXPECT_EQ(again.steps, 5);
    EXPECT_EQ(again.guidance, file.guidance);
    EXPECT_EQ(again.picture, file.picture);
    EXPECT_EQ(again.model, file.model);
    EXPECT_EQ(again.model_name, "model");
    EXPECT_EQ(again.alphas, file.alphas);
    EXPECT_EQ(again.timesteps, file.timesteps);
    EXPECT_EQ(again.path.shape, file.path.shape);
    EXPECT_EQ(again.path.values, file.path.values);
    EXPECT_EQ(again.context.values, file.context.values);
    EXPECT_EQ(again.unconditional.values, file.unconditional.values);
    EXPECT_EQ(again.noises.values, file.noises.values);
  }
}

TEST(InversionFile, ItKeepsTheLorasOfItsModel) {
  EXPECT_EQ(written(small_inversion()).find("lora"), std::string::npos);
  auto file = small_inversion();
  file.networks = {{"ink", "te=1 unet=0.5", std::string(64, 'c')},
                   {"line", "te=0 unet=1 lbw=1,-0.5", std::string(64, 'd')}};
  const auto bytes = written(file);
  const auto again = parsed(bytes).networks;
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(again[0].name, "ink");
  EXPECT_EQ(again[1].weights, "te=0 unet=1 lbw=1,-0.5");
  EXPECT_TRUE(again[0].is_same(file.networks[0]));
  EXPECT_FALSE(again[0].is_same(again[1]));
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view what) {
    expect_error<CheckpointError>([&] { parsed(replaced(bytes, from, to)); }, what);
  };
  refused(R"(\"lora_hashes\")", R"(\"lora_hashez\")", "'lora_hashes'");
  refused(R"([\"ink\",\"line\"])", R"([\"ink\",7       ])", "'loras'");
  refused(R"([\"ink\",\"line\"])", R"([\"ink,    line\"])", "'lora_weights'");
  refused(R"([\"ink\",\"line\"])", R"(\"ink\"           )", "'loras'");
  file.networks.resize(65);
  expect_error<CheckpointError>([&] { parsed(written(file)); }, "at most 64");
}

TEST(InversionFile, ItKeepsControlNetsAndPicturesThatWereFollowed) {
  EXPECT_EQ(written(small_inversion()).find("control"), std::string::npos);
  EXPECT_EQ(written(small_inversion()).find("ip_adapter"), std::string::npos);
  auto file = small_inversion();
  file.controls = {{"canny", "weight=1", std::string(64, 'c'), std::string(64, 'd')},
                   {"depth", "weight=0.5", std::string(64, 'e'), ""}};
  file.image_prompts = {{"plus", "weight=0.8", std::string(64, 'a'), std::string(64, 'b')}};
  const auto bytes = written(file);
  const auto again = parsed(bytes);
  ASSERT_EQ(again.controls.size(), 2U);
  ASSERT_EQ(again.image_prompts.size(), 1U);
  EXPECT_EQ(again.controls[0].name, "canny");
  EXPECT_TRUE(again.controls[1].is_same(file.controls[1]));
  EXPECT_TRUE(again.image_prompts[0].is_same(file.image_prompts[0]));
  for (auto InversionAddition::*part :
       {&InversionAddition::settings, &InversionAddition::hash, &InversionAddition::picture}) {
    auto other = file.controls[1];
    other.*part += "0";
    EXPECT_FALSE(other.is_same(file.controls[1]));
  }
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view what) {
    expect_error<CheckpointError>([&] { parsed(replaced(bytes, from, to)); }, what);
  };
  refused(R"(\"control_hashes\")", R"(\"control_hashez\")", "'control_hashes'");
  refused(R"(\"control_pictures\")", R"(\"control_picturez\")", "'control_pictures'");
  refused(R"([\"canny\",\"depth\"])", R"([\"canny\",7        ])", "'controls'");
  refused(R"(\"ip_adapter_settings\")", R"(\"ip_adapter_settingz\")", "'ip_adapter_settings'");
  file.controls.resize(65);
  expect_error<CheckpointError>([&] { parsed(written(file)); }, "at most 64");
}

TEST(InversionFile, NetsThatNoRunCouldHaveAreRefused) {
  const auto refused = [](auto change, std::string_view what) {
    auto file = small_inversion();
    file.controls = {{"canny", "weight=1", std::string(64, 'c'), std::string(64, 'd')}};
    change(file.controls.front());
    const auto bytes = written(file);
    expect_error<CheckpointError>([&] { parsed(bytes); }, what);
  };
  refused([](auto& net) { net.name.clear(); }, "'controls'");
  refused([](auto& net) { net.name.assign(256, 'n'); }, "'controls'");
  refused([](auto& net) { net.settings.clear(); }, "'control_settings'");
  refused([](auto& net) { net.settings.assign(5000, 'w'); }, "'control_settings'");
  refused([](auto& net) { net.settings = "weight=1\x1b[2J"; }, "'control_settings'");
  refused([](auto& net) { net.hash = "c"; }, "'control_hashes'");
  refused([](auto& net) { net.picture.back() = 'D'; }, "'control_pictures'");
}

TEST(InversionFile, LorasThatNoRunCouldHaveAreRefused) {
  const auto refused = [](auto change, std::string_view what) {
    auto file = small_inversion();
    file.networks = {{"ink", "te=1 unet=0.5", std::string(64, 'c')}};
    change(file.networks.front());
    const auto bytes = written(file);
    expect_error<CheckpointError>([&] { parsed(bytes); }, what);
  };
  refused([](auto& lora) { lora.name.clear(); }, "'loras'");
  refused([](auto& lora) { lora.name.assign(256, 'n'); }, "'loras'");
  refused([](auto& lora) { lora.hash = "c"; }, "'lora_hashes'");
  refused([](auto& lora) { lora.hash.back() = 'C'; }, "'lora_hashes'");
  for (const char* weights :
       {"", "te=1", "unet=1", "te=1 unet=", "te=nan unet=1", "te=1 unet=inf", "te=1e999 unet=1",
        "te=1 unet=1 ", "te=1 unet=1 lbw=", "te=1 unet=1 lbw=1,", "te=1 unet=1 lbw=1,nan"}) {
    SCOPED_TRACE(weights);
    refused([&](auto& lora) { lora.weights = weights; }, "'lora_weights'");
  }
  refused([](auto& lora) { lora.weights.append(" lbw=1").append(std::string(5000, '0')); },
          "'lora_weights'");
}

TEST(InversionFile, OptimisationThatIsNotFinishedKeepsWhereItIs) {
  auto file = small_inversion(kNullText);
  file.unconditional = test::counted_tensor({2, 5, 6});
  expect_error<CheckpointError>([&] { parsed(written(file)); }, "'unconditional'");
  file.latents = test::counted_tensor({1, 4, 2, 3});
  EXPECT_EQ(parsed(written(file)).latents.values, file.latents.values);
  EXPECT_EQ(parsed(written(file)).unconditional.shape[0], 2);
  file.unconditional = test::counted_tensor({4, 5, 6});
  expect_error<CheckpointError>([&] { parsed(written(file)); }, "more steps");
  file.latents = test::counted_tensor({1, 4, 2, 2});
  expect_error<CheckpointError>([&] { parsed(written(file)); }, "'latents'");
}

TEST(InversionFile, ItIsKnownByWhatItSaysAndNotOverwritten) {
  const test::TempFolder folder;
  const auto path = folder / "any.name";
  EXPECT_FALSE(looks_like_inversion(path));
  write_inversion(path, small_inversion());
  EXPECT_TRUE(looks_like_inversion(path));
  expect_error<IoError>([&] { write_inversion(path, small_inversion()); }, "any.name");
  expect_error<IoError>([&] { read_inversion(folder / "none"); }, "none");
}

TEST(InversionFile, AFileThatIsCutAnywhereIsRefused) {
  const auto whole = written(small_inversion());
  for (std::size_t size = 0; size < whole.size(); size += 7)
    expect_error<CheckpointError>([&] { parsed(whole.substr(0, size)); }, "a.inv.safetensors");
}

TEST(InversionFile, ValuesThatAreNotFiniteAreRefused) {
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    auto file = small_inversion(kEditFriendly);
    file.noises.values[3] = value;
    expect_error<CheckpointError>([&] { parsed(written(file)); }, "'noises'", "NaN or infinity");
    file = small_inversion();
    file.path.values[9] = value;
    expect_error<CheckpointError>([&] { parsed(written(file)); }, "'path'", "NaN or infinity");
    file = small_inversion();
    file.alphas[0] = static_cast<double>(value);
    expect_error<CheckpointError>([&] { parsed(written(file)); }, "'alphas'", "NaN or infinity");
  }
}

TEST(InversionFile, TensorsThatDoNotFitOneAnotherAreRefused) {
  const auto refused = [](auto change, std::string_view what, InversionMethod method = kDirect) {
    auto file = small_inversion(method);
    change(file);
    const auto bytes = written(file);
    expect_error<CheckpointError>([&] { parsed(bytes); }, what);
  };
  refused([](auto& file) { file.path = test::counted_tensor({4, 4, 6}); }, "'path'");
  refused([](auto& file) { file.path = test::counted_tensor({1, 4, 2, 3}); }, "'path'");
  refused([](auto& file) { file.path = test::counted_tensor({4, 0, 2, 3}); }, "'path'");
  refused([](auto& file) { file.path = {}; }, "'path'");
  refused([](auto& file) { file.steps = 2; }, "at most 2 steps");
  refused([](auto& file) { file.alphas.pop_back(); }, "'alphas'");
  refused([](auto& file) { file.alphas[1] = 0.05; }, "noise levels");
  refused([](auto& file) { file.alphas[3] = 1.5; }, "noise levels");
  refused([](auto& file) { file.timesteps[1] = 700; }, "noise levels");
  refused([](auto& file) { file.timesteps[2] = -1; }, "noise levels");
  refused([](auto& file) { file.context = test::counted_tensor({0, 6}); }, "'context'");
  refused([](auto& file) { file.unconditional = {}; }, "'unconditional'", kNullText);
  refused(
      [](auto& file) {
        file.unconditional = test::counted_tensor({3, 5, 7});
      },
      "'unconditional'", kNullText);
  refused(
      [](auto& file) {
        file.noises = test::counted_tensor({2, 4, 2, 3});
      },
      "'noises'", kEditFriendly);
}

TEST(InversionFile, SettingsOfAnotherKindAreRefused) {
  const auto whole = written(small_inversion());
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view what) {
    expect_error<CheckpointError>([&] { parsed(replaced(whole, from, to)); }, what);
  };
  refused("sd.inversion.1", "sd.inversion.9", "invert the picture again");
  refused("sd.inversion.1", "xx.inversion.1", "'sd invert'");
  refused(R"(\"method\":\"direct\")", R"(\"method\":\"nobody\")", "'method'");
  refused(R"(\"method\":\"direct\")", R"(\"method\":\"ddcm\"  )", "'method'");
  refused(R"(\"sampler\":\"ddim\")", R"(\"sampler\":\"none\")", "'sampler'");
  refused(R"(\"steps\":5)", R"(\"steps\":0)", "'steps'");
  refused(R"(\"steps\":5)", R"(\"stepz\":5)", "missing");
  refused(R"(\"guidance\":1.0)", R"(\"guidance\":[1])", "'guidance'");
  refused(R"({\"method\")", R"([\"method\")", "JSON");
}

}  // namespace
}  // namespace sd
