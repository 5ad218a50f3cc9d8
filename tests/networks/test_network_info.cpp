#include <gtest/gtest.h>

#include "sd/core/sha256.h"
#include "sd/networks/network.h"
#include "support/network_writer.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::number;
using test::tensor;

const std::string kKey = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
const std::string kText = "lora_te_text_model_encoder_layers_0_mlp_fc1";

std::vector<test::FloatTensor> lora(int64_t context) {
  return {tensor(kKey + ".lora_down.weight", {4, context}),
          tensor(kKey + ".lora_up.weight", {320, 4}),
          number(kKey + ".alpha", 2),
          tensor(kText + ".lora_down.weight", {2, 32}),
          tensor(kText + ".lora_up.weight", {32, 2}),
          number(kText + ".alpha", 2)};
}

TEST(NetworkInfos, TellKindRanksAlphaAndParts) {
  const test::TempFolder folder;
  const auto info = describe_network(test::write_network(folder / "a.safetensors", lora(768)));
  EXPECT_EQ(info.kind, "LoRA");
  EXPECT_EQ(info.family, "Stable Diffusion v1");
  EXPECT_EQ(info.modules, 2);
  EXPECT_EQ(info.text_encoder, 1);
  EXPECT_EQ(info.unet, 1);
  EXPECT_EQ(info.ranks(), "rank 2 to 4");
  EXPECT_EQ(info.alpha, 2.0);
  EXPECT_EQ(info.parts(), "text encoder and UNet");
}

TEST(NetworkInfos, TellTheFamilyByTheWidthOfTheContext) {
  const test::TempFolder folder;
  const auto family = [&](int64_t context) {
    return describe_network(test::write_network(folder / "a.safetensors", lora(context))).family;
  };
  EXPECT_EQ(family(1024), "Stable Diffusion v2");
  EXPECT_EQ(family(2048), "Stable Diffusion XL");
}

TEST(NetworkInfos, TellMixturesOfKinds) {
  const test::TempFolder folder;
  auto tensors = lora(768);
  tensors.push_back(tensor("lora_unet_conv_in.lora_down.weight", {4, 4, 3, 3}));
  tensors.push_back(tensor("lora_unet_conv_in.lora_up.weight", {320, 4, 1, 1}));
  tensors.push_back(tensor("lora_unet_conv_in.dora_scale", {320, 1, 1, 1}));
  tensors.push_back(tensor("lora_unet_conv_norm_out.w_norm", {320}));
  const auto path = test::write_network(folder / "a.safetensors", tensors);
  EXPECT_EQ(describe_network(path).kind, "LoCon + norms with DoRA");
}

TEST(NetworkInfos, TellTriggerWordsTheMostFrequentFirst) {
  const test::TempFolder folder;
  const SafetensorsMetadata metadata = {
      {"ss_output_name", "ink"},
      {"ss_learning_rate", "0.0001"},
      {"ss_tag_frequency", R"({"10_a": {"cat": 2, "ink style": 5}, "2_b": {"cat": 1, " ": 9}})"},
      {"modelspec.trigger_phrase", "inkstyle"}};
  const auto info =
      describe_network(test::write_network(folder / "a.safetensors", lora(768), metadata));
  EXPECT_EQ(info.output_name, "ink");
  using Word = std::pair<std::string, int64_t>;
  EXPECT_EQ(info.trigger_words, (std::vector<Word>{{"inkstyle", 0}, {"ink style", 5}, {"cat", 3}}));
  ASSERT_EQ(info.training.size(), 1u);
  EXPECT_EQ(info.training[0], (std::pair<std::string, std::string>("ss_learning_rate", "0.0001")));
}

TEST(NetworkInfos, TakeFrequenciesThatAreNoObjectForNothing) {
  const test::TempFolder folder;
  for (const std::string text : {"[[[[", "{\"a\": {\"b\": {\"c\": 1}}}", "x", "{\"a\": [1]}"}) {
    const auto path =
        test::write_network(folder / "a.safetensors", lora(768), {{"ss_tag_frequency", text}});
    EXPECT_TRUE(describe_network(path).trigger_words.empty()) << text;
  }
}

TEST(NetworkHash, IsThatOfTheTensorsWhateverTheMetadataSay) {
  const test::TempFolder folder;
  const auto plain = test::write_network(folder / "a.safetensors", lora(768));
  const auto named =
      test::write_network(folder / "b.safetensors", lora(768), {{"ss_output_name", "ink"}});
  EXPECT_EQ(network_hash(plain), network_hash(named));
  EXPECT_NE(sha256_file(plain), sha256_file(named));
}

TEST(NetworkHash, OfOtherFormatsIsThatOfTheFile) {
  const test::TempFolder folder;
  test::write_text(folder / "a.pt", "abc");
  EXPECT_EQ(network_hash(folder / "a.pt"), sha256_file(folder / "a.pt"));
}

TEST(IsNetwork, TellsAModelFromOne) {
  EXPECT_TRUE(is_network(fs::path(SD_TEST_DATA) / "networks/diffusers.safetensors"));
  EXPECT_TRUE(is_network(fs::path(SD_TEST_DATA) / "networks/peft"));
  EXPECT_FALSE(is_network(fs::path(SD_TEST_DATA) / "tiny-v1.ckpt"));
  EXPECT_FALSE(is_network(fs::path(SD_TEST_DATA) / "tiny-v1-diffusers"));
}

}  // namespace
}  // namespace sd
