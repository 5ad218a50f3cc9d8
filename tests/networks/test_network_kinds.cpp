// What lycoris-lora, peft and diffusers make of tests/data/networks
// (tests/tools/make_network_values.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "sd/networks/apply.h"
#include "support/network_writer.h"
#include "support/temp_folder.h"
#include "weights/diffusers_names.h"
#include "weights/open_file.h"
#include "weights/renamed_source.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kStep = 23;  // of which elements are kept

fs::path networks() { return fs::path(SD_TEST_DATA) / "networks"; }

test::SmallModel tiny() { return test::open_small(fs::path(SD_TEST_DATA) / "tiny-v1.ckpt"); }

const TensorSource& stored_values() {
  static const auto file = open_weight_file(networks() / "values.safetensors");
  return *file.tensors;
}

/// "unet.conv_in.weight" by its CompVis name.
std::string compvis_name(std::string_view name, const ModelConfig& config) {
  constexpr std::string_view kUNet = "unet.", kText = "text_encoder.";
  if (name.starts_with(kUNet)) return DiffusersNames(config).unet(name.substr(kUNet.size())).name;
  return compvis_text_name(name.substr(kText.size()));
}

/// The tensors of a kind that begin with `part`: their names behind it.
std::vector<std::string> names_of_kind(const std::string& kind, const std::string& part) {
  const auto prefix = kind + "|" + part + "|";
  std::vector<std::string> names;
  for (const auto& name : stored_values().names()) {
    if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
  }
  return names;
}

fs::path written(const std::string& kind, const fs::path& folder) {
  std::vector<test::FloatTensor> tensors;
  for (const auto& key : names_of_kind(kind, "file")) {
    const auto name = kind + "|file|" + key;
    tensors.push_back(
        {key, stored_values().describe(name).shape, test::floats_at(stored_values(), name)});
  }
  return test::write_network(folder / "network.safetensors", tensors);
}

/// Compares every layer that the library merged.
void expect_merged(const fs::path& file, const std::string& kind) {
  auto [model, config] = tiny();
  const auto network = open_network(file);
  const auto match = match_network(network, *model, config);
  EXPECT_EQ(match.matched, match.modules);
  EXPECT_TRUE(match.unmatched.empty());
  const auto merged = with_networks(std::move(model), config, {{network}});
  const auto names = names_of_kind(kind, "merged");
  ASSERT_FALSE(names.empty());
  for (const auto& name : names) {
    const auto parameter = compvis_name(name, config);
    const auto values = test::floats_at(*merged, parameter);
    const auto expected = test::floats_at(stored_values(), kind + "|merged|" + name);
    const auto step = name.ends_with(".bias") || values.size() == expected.size() ? 1 : kStep;
    ASSERT_EQ(expected.size(), (values.size() + step - 1) / step) << name;
    float largest = 0, error = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      largest = std::max(largest, std::fabs(expected[i]));
      error = std::max(error, std::fabs(expected[i] - values[i * step]));
    }
    EXPECT_LE(error, 1e-6F * largest) << kind << " " << name;
  }
}

class NetworkKinds : public testing::TestWithParam<const char*> {};

TEST_P(NetworkKinds, MergeAsLycorisDoes) {
  const test::TempFolder folder;
  expect_merged(written(GetParam(), folder.path()), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Lycoris, NetworkKinds,
                         testing::Values("LoCon", "Tucker", "LoHa", "LoHaTucker", "LoKr",
                                         "LoKrBoth", "LoKrWhole", "LoKrTucker", "GLoRA", "IA3",
                                         "Full", "Norm", "OFT", "BOFT", "DoRAOutputs", "DoRAInputs",
                                         "LoHaDoRA", "LoKrDoRA"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(NetworkFiles, OfPeftMergeWithItsAlphasAndRanks) { expect_merged(networks() / "peft", "peft"); }

TEST(NetworkFiles, OfPeftMergeWithLengths) { expect_merged(networks() / "peft-dora", "peft-dora"); }

TEST(NetworkFiles, OfDiffusersMergeWithTheAlphasOfTheirMetadata) {
  expect_merged(networks() / "diffusers.safetensors", "diffusers");
}

TEST(NetworkFiles, OfDiffusersWithoutMetadataCountTheirRankAsAlpha) {
  auto [model, config] = tiny();
  const auto plain = open_network(networks() / "diffusers-plain.safetensors");
  const auto bound = bind_network(plain, *model, config);
  const auto factors = bound->factors("model.diffusion_model.input_blocks.0.0.weight");
  ASSERT_TRUE(factors);
  EXPECT_EQ(factors->scale, 1.0);
}

}  // namespace
}  // namespace sd
