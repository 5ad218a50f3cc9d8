// The same tensors in another wrapping give the same picture.
#include <gtest/gtest.h>

#include <fstream>

#include "sd/core/npy.h"
#include "sd/pipeline/txt2img.h"
#include "sd/weights/open.h"
#include "support/safetensors_copy.h"
#include "support/temp_folder.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::data;
using test::relative_difference;

LoadedModel load_f32(const std::filesystem::path& checkpoint,
                     std::optional<std::filesystem::path> config = std::nullopt) {
  LoadRequest request;
  request.checkpoint = checkpoint;
  request.config = std::move(config);
  request.dtype = DTypeChoice::kF32;
  request.device.kind = DeviceChoice::Kind::kCpu;
  return load_model(request);
}

torch::Tensor draw_tiny(const LoadedModel& model) {
  Txt2ImgRequest request;
  request.prompts = {"a red circle above a blue square"};
  request.width = request.height = 128;
  request.steps = 3;
  SeededNoise noise(7, RngChoice::kCpu, torch::kCPU);
  return txt2img(model, request, noise).latents;
}

TEST(Formats, SafetensorsGiveTheSameBits) {
  const test::TempFolder folder;
  const auto file = folder.path() / "tiny.safetensors";
  std::ofstream(file, std::ios::binary)
      << test::copy_as_safetensors(*open_model(data("tiny-v1.ckpt")).tensors);
  EXPECT_TRUE(draw_tiny(load_f32(file, data("tiny-v1.yaml"))).equal(draw_tiny(test::tiny_model())));
}

TEST(Formats, AFolderWithWeightsAndYamlIsAModel) {
  const test::TempFolder folder;
  std::filesystem::copy(data("tiny-v1.ckpt"), folder / "model.ckpt");
  std::filesystem::copy(data("tiny-v1.yaml"), folder / "model.yaml");
  const auto model = load_f32(folder.path());
  EXPECT_EQ(model.main_file, folder / "model.ckpt");
  EXPECT_TRUE(draw_tiny(model).equal(draw_tiny(test::tiny_model())));
}

TEST(Formats, ADiffusersFolderGivesTheSamePicture) {
  const auto model = load_f32(data("tiny-v1-diffusers"));
  EXPECT_EQ(model.format, "diffusers");
  // The folder was written by the diffusers package in the same fp16 numbers: equal up to nothing
  // but the order of sums.
  EXPECT_LT(relative_difference(draw_tiny(model), draw_tiny(test::tiny_model())), 1e-6);
}

torch::Tensor from_npy(const std::filesystem::path& path) {
  const auto array = read_npy(path);
  return torch::from_blob(const_cast<float*>(array.values.data()), array.shape).clone();
}

// tests/data/demo holds what the diffusers package draws from models/demo
// (scripts/compare_diffusers.py wrote it).
TEST(DemoModel, SixteenPicturesMatchDiffusers) {
  const auto demo = std::filesystem::path(SD_SOURCE_DIR) / "models/demo";
  Txt2ImgRequest request;
  std::ifstream prompts(demo / "prompts.txt");
  for (std::string line; std::getline(prompts, line);) request.prompts.push_back(line);
  ASSERT_EQ(request.prompts.size(), 16u);
  request.width = request.height = 128;
  request.steps = 25;
  request.guidance_scale = 5.0;
  request.start_latents = from_npy(data("demo/noise.npy"));
  request.decode = false;
  SeededNoise noise(0, RngChoice::kCpu, torch::kCPU);
  const auto latents = txt2img(load_f32(demo), request, noise).latents;
  // Latents are of order 1; 25 guided steps spread float32's rounding to some 1e-5.
  EXPECT_LT((latents - from_npy(data("demo/latents.npy"))).abs().max().item<double>(), 1e-3);
}

}  // namespace
}  // namespace sd
