#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "sd/core/error.h"
#include "sd/networks/apply.h"
#include "support/expect_error.h"
#include "support/network_writer.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::FloatTensor;
using test::number;
using test::tensor;

const std::string kQuery = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";

/// Files that are refused, opened and bound to the tiny model.
class BadNetworks : public testing::Test {
 protected:
  template <typename... Parts>
  void expect_refused(const std::vector<FloatTensor>& tensors, const Parts&... parts) const {
    const auto path = test::write_network(folder_ / "bad.safetensors", tensors);
    expect_error<CheckpointError>([&] { bind(path); }, "bad.safetensors", parts...);
  }
  static void bind(const fs::path& path) {
    const auto [model, config] = test::open_small(fs::path(SD_TEST_DATA) / "tiny-v1.ckpt");
    bind_network(open_network(path), *model, config);
  }
  /// A network that fits, but for what is put into the place of one of its tensors.
  static std::vector<FloatTensor> with(FloatTensor other) {
    std::vector<FloatTensor> tensors = {tensor(kQuery + ".lora_down.weight", {2, 32}),
                                        tensor(kQuery + ".lora_up.weight", {32, 2}),
                                        number(kQuery + ".alpha", 1)};
    for (auto& each : tensors) {
      if (each.name == other.name) each = other;
    }
    return tensors;
  }

  test::TempFolder folder_;
};

TEST_F(BadNetworks, OfRanksThatDisagreeNameBoth) {
  expect_refused(with(tensor(kQuery + ".lora_up.weight", {32, 3})), kQuery + ".lora_up.weight",
                 "[32, 3]", "[32, 2]", "rank being 2");
}

TEST_F(BadNetworks, OfAnotherWidthNameWhatWasExpected) {
  expect_refused(with(tensor(kQuery + ".lora_down.weight", {2, 40})), kQuery + ".lora_down.weight",
                 "[2, 40]", "32 inputs");
}

TEST_F(BadNetworks, WithAnAlphaThatIsNoNumberNameIt) {
  const auto alpha = kQuery + ".alpha";
  expect_refused(with(number(alpha, std::nanf(""))), alpha, "nan", "finite");
  expect_refused(with(number(alpha, std::numeric_limits<float>::infinity())), alpha, "inf");
  expect_refused(with(tensor(alpha, {2})), alpha, "[2]", "a single number");
}

TEST_F(BadNetworks, WithHalfOfAPairNameTheOtherHalf) {
  expect_refused({tensor(kQuery + ".lora_down.weight", {2, 32})}, kQuery, "lora_up.weight",
                 "half of a pair");
  expect_refused({tensor(kQuery + ".hada_w1_a", {32, 2}), tensor(kQuery + ".hada_w1_b", {2, 32}),
                  tensor(kQuery + ".hada_w2_a", {32, 2})},
                 "hada_w2_b");
  expect_refused({tensor(kQuery + ".lokr_w1_a", {4, 2}), tensor(kQuery + ".lokr_w2", {8, 8})},
                 "lokr_w1_b");
}

TEST_F(BadNetworks, WithTensorsOfNoElementsAreRefused) {
  expect_refused(with(tensor(kQuery + ".lora_down.weight", {0, 32})), "is empty", "[0, 32]");
}

TEST_F(BadNetworks, OfTwoKindsInOneModuleNameBoth) {
  auto tensors = with(number(kQuery + ".alpha", 1));
  tensors.push_back(tensor(kQuery + ".diff", {32, 32}));
  expect_refused(tensors, "LoRA", "full differences", "one module has both");
}

TEST_F(BadNetworks, WhoseFactorsMakeAnotherSizeAreRefusedBeforeAnythingIsMultiplied) {
  // 30000 · 30000 rows by as many columns would be 3 EB.
  expect_refused({tensor(kQuery + ".lokr_w1", {30000, 1}), tensor(kQuery + ".lokr_w2", {30000, 1})},
                 "Kronecker", "32 outputs");
}

TEST_F(BadNetworks, OfValuesThatAreNoNumbersAreRefusedWhenTheyAreMerged) {
  auto down = tensor(kQuery + ".lora_down.weight", {2, 32});
  down.values[5] = std::nanf("");
  const auto path = test::write_network(folder_ / "nan.safetensors", with(down));
  auto [model, config] = test::open_small(fs::path(SD_TEST_DATA) / "tiny-v1.ckpt");
  const auto bound = bind_network(open_network(path), *model, config);
  std::vector<float> values(32 * 32);
  expect_error<CheckpointError>([&] { bound->merge(bound->parameters().front(), values, 1.0); },
                                "lora_down.weight", "nan", "finite numbers");
}

TEST_F(BadNetworks, OfIntegersAreRefused) {
  const std::vector<int32_t> values(64, 1);
  TensorView view;
  view.dtype = DType::kI32;
  view.shape = {2, 32};
  view.bytes = std::as_bytes(std::span(values));
  const auto path = folder_ / "integers.safetensors";
  write_safetensors(path, std::vector<NamedTensor>{{kQuery + ".lora_down.weight", view},
                                                   {kQuery + ".lora_up.weight", view}});
  expect_error<CheckpointError>([&] { open_network(path); }, "lora_down.weight", "I32",
                                "floating-point");
}

TEST_F(BadNetworks, CutShortAreRefused) {
  const auto path =
      test::write_network(folder_ / "cut.safetensors", with(number(kQuery + ".alpha", 1)));
  fs::resize_file(path, fs::file_size(path) - 20);
  expect_error<CheckpointError>([&] { open_network(path); }, "cut.safetensors", "truncated");
}

TEST_F(BadNetworks, OfOtherFamiliesAreRefusedByName) {
  const auto refused = [&](const std::string& layer, int64_t inputs, const char* family) {
    expect_refused({tensor(layer + ".lora_down.weight", {2, inputs}),
                    tensor(layer + ".lora_up.weight", {8, 2})},
                   family);
  };
  refused("lora_te2_text_model_encoder_layers_0_mlp_fc1", 32, "Stable Diffusion XL");
  refused("lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q", 32, "Stable Diffusion XL");
  refused("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 2048,
          "Stable Diffusion XL");
  refused("lora_unet_double_blocks_0_img_attn_proj", 32, "FLUX");
  refused("transformer.single_transformer_blocks.0.attn.to_q", 32, "FLUX");
  refused("lora_unet_joint_blocks_0_x_block_attn_proj", 32, "Stable Diffusion 3");
}

TEST_F(BadNetworks, WithNothingThatFitsNameTheFirst) {
  expect_refused({tensor("lora_unet_nothing.lora_down.weight", {2, 32}),
                  tensor("lora_unet_nothing.lora_up.weight", {32, 2})},
                 "none of its 1 modules", "lora_unet_nothing");
}

TEST_F(BadNetworks, ThatAreSomethingElseAreRefusedByWhatTheyAre) {
  const auto model = fs::path(SD_TEST_DATA) / "tiny-v1.ckpt";
  expect_error<CheckpointError>([&] { open_network(model); }, "tiny-v1.ckpt", "Stable Diffusion v1",
                                "--ckpt");
  expect_refused({tensor("emb_params", {2, 32})}, "textual inversion embedding", "--embedding");
  expect_refused({tensor("encoder.down.0.block.0.conv1.weight", {2, 2})}, "VAE", "--vae");
}

TEST_F(BadNetworks, WithoutAFileInAFolderSayWhatIsLookedFor) {
  expect_error<CheckpointError>([&] { open_network(folder_.path()); }, "adapter_model.safetensors");
}

}  // namespace
}  // namespace sd
