// diffusers' AutoencoderTiny with the same weights (tests/tools/make_taesd_goldens.py).
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "sd/models/taesd.h"
#include "sd/pipeline/load.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/taesd_weights.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::original_taesd_name;
using test::relative_difference;

torch::Tensor numbers(int64_t seed, std::vector<int64_t> shape, double scale) {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  return at::tensor(test::uniform(seed, count), at::kDouble)
      .to(test::device(), at::kFloat)
      .mul(scale)
      .view(shape);
}

torch::Tensor latents() { return numbers(500, {1, 4, 4, 5}, 4); }
torch::Tensor picture() { return numbers(501, {1, 3, 32, 40}, 1); }

/// The weights in files, loaded beside the tiny model.
class TaesdFiles : public testing::Test {
 protected:
  TaesdFiles() : weights_(parameter_slots(*Taesd(/*with_encoder=*/true))) {}

  std::shared_ptr<TaesdImpl> load(const std::filesystem::path& file) const {
    LoadRequest request;
    request.checkpoint = test::data("tiny-v1.ckpt");
    request.separate.vae = file;
    request.dtype = DTypeChoice::kF32;
    request.device = test::device_choice();
    return load_model(request).taesd;
  }
  void write_half(const std::string& half) const {
    weights_.write(folder_ / ("taesd_" + half + ".safetensors"),
                   [&](const std::string& name) { return original_taesd_name(name, half); });
  }

  test::TempFolder folder_;
  test::TaesdWeights weights_;
  test::Golden golden_{"goldens/taesd.safetensors"};
};

// Thirty convolutions round their sums in another order: 1e-5 of the largest value.
constexpr double kTolerance = 1e-5;

TEST_F(TaesdFiles, ComputesWhatDiffusersDoes) {
  const c10::InferenceMode inference;
  weights_.write(folder_ / "diffusion_pytorch_model.safetensors",
                 [](const std::string& name) { return name; });
  const auto taesd = load(folder_ / "diffusion_pytorch_model.safetensors");
  ASSERT_TRUE(taesd->encodes());
  EXPECT_LT(relative_difference(taesd->decode(latents()), golden_["decoded"]), kTolerance);
  EXPECT_LT(relative_difference(taesd->encode(picture()), golden_["encoded"]), kTolerance);
}

TEST_F(TaesdFiles, ReadsTheOriginalsFilesAndFindsTheEncoder) {
  const c10::InferenceMode inference;
  write_half("decoder");
  const auto decoder = load(folder_ / "taesd_decoder.safetensors");
  EXPECT_FALSE(decoder->encodes());
  EXPECT_LT(relative_difference(decoder->decode(latents()), golden_["decoded"]), kTolerance);
  write_half("encoder");
  const auto both = load(folder_ / "taesd_decoder.safetensors");
  ASSERT_TRUE(both->encodes());
  EXPECT_LT(relative_difference(both->encode(picture()), golden_["encoded"]), kTolerance);
}

TEST_F(TaesdFiles, RefusesAnEncoderAlone) {
  write_half("encoder");
  test::expect_error<CheckpointError>([&] { load(folder_ / "taesd_encoder.safetensors"); },
                                      "taesd_encoder.safetensors", "taesd_decoder.safetensors");
}

TEST_F(TaesdFiles, NamesWhatIsMissing) {
  weights_.write(folder_ / "cut.safetensors", [](const std::string& name) {
    return name == "decoder.layers.18.bias" ? std::string() : name;
  });
  test::expect_error<CheckpointError>([&] { load(folder_ / "cut.safetensors"); }, "cut.safetensors",
                                      "decoder.layers.18.bias");
}

}  // namespace
}  // namespace sd
