// GPUs: what is said where none can be used, and what must hold on one (SD_TEST_DEVICE=cuda).
#include <ATen/Context.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "pipeline/cuda_driver.h"
#include "pipeline/device.h"
#include "pipeline/encode.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/txt2img.h"
#include "support/drawing.h"

namespace sd {
namespace {

using test::relative_difference;
using test::tiny_model;

CudaDriver working(int version) { return {.found = true, .version = version, .gpus = 1}; }

TEST(CudaDriver, EachFaultHasItsOwnWords) {
  EXPECT_NE(driver_problem({}, 13000).find("not installed"), std::string::npos);
  const auto old = driver_problem(working(12040), 13000);
  EXPECT_NE(old.find("up to 12.4, this LibTorch needs 13.0"), std::string::npos) << old;
  auto updated = working(13020);
  updated.start_code = 803;
  EXPECT_NE(driver_problem(updated, 13000).find("kernel module"), std::string::npos);
  auto hidden = working(13020);
  hidden.gpus = 0;
  hidden.start_code = 100;
  EXPECT_NE(driver_problem(hidden, 13000).find("shows no GPU"), std::string::npos);
  auto broken = working(13020);
  broken.start_code = 999;
  EXPECT_NE(driver_problem(broken, 13000).find("error 999"), std::string::npos);
}

TEST(CudaDriver, ANewerDriverRunsAnOlderCuda) {
  EXPECT_EQ(driver_problem(working(13020), 13000), "");
  EXPECT_EQ(driver_problem(working(13000), 13020), "");  // minor versions are compatible
  EXPECT_EQ(driver_problem(working(14000), 13000), "");
}

TEST(CudaKernels, AreThoseOfTheGenerationOrPtx) {
  const std::string text =
      "NVCC architecture flags: -gencode;arch=compute_75,code=sm_75;-gencode;arch=compute_86,"
      "code=sm_86;-gencode;arch=compute_120,code=sm_120;-gencode;arch=compute_120,code=compute_120";
  const auto has = [&](int major, int minor) { return has_kernels_for(text, {"", major, minor}); };
  EXPECT_TRUE(has(7, 5));
  EXPECT_TRUE(has(8, 9));   // machine code of 8.6
  EXPECT_FALSE(has(8, 0));  // older than it
  EXPECT_FALSE(has(7, 0));
  EXPECT_FALSE(has(9, 0));
  EXPECT_TRUE(has(12, 1));
  EXPECT_TRUE(has(13, 0));  // PTX of 12.0
  EXPECT_TRUE(has_kernels_for("no flags are named", {"", 5, 2}));
}

TEST(GpuNumber, IsTheLocalRanksInTurnUnlessItIsNamed) {
  const DeviceChoice any{DeviceChoice::Kind::kCuda}, second{DeviceChoice::Kind::kCuda, 1};
  unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
  EXPECT_EQ(gpu_number(any, 4), 0);
  setenv("OMPI_COMM_WORLD_LOCAL_RANK", "6", 1);
  EXPECT_EQ(gpu_number(any, 4), 2);
  EXPECT_EQ(gpu_number({}, 4), 2);
  EXPECT_EQ(gpu_number(any, 1), 0);  // the launcher has chosen
  EXPECT_EQ(gpu_number(second, 4), 1);
  unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
}

/// The tiny model computing in half precision, on the CPU too.
LoadedModel half_model() {
  auto model = tiny_model();
  model.compute_dtype = torch::kHalf;
  return model;
}

TEST(HalfDecoder, WhatOverflowsIsDecodedAgainInFloat32) {
  const c10::InferenceMode inference;
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  const auto usual = noise.randn({1, 4, 4, 4});
  bool overflowed = false;
  decode_latents(half_model(), usual, {}, &overflowed);
  EXPECT_FALSE(overflowed);
  const auto large = torch::Tensor(usual * 1e6);
  const auto pictures = decode_latents(half_model(), large, {}, &overflowed);
  EXPECT_TRUE(overflowed);
  EXPECT_EQ(pictures.at(0).pixels, decode_latents(tiny_model(), large, {}).at(0).pixels);
}

/// Skips a test of a GPU's own where the tests run on the CPU.
class OnGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::device().is_cuda()) GTEST_SKIP() << "SD_TEST_DEVICE names no GPU";
    tiny_model();  // opens LibTorch's CUDA half and sets its arithmetic
  }
};

/// The GPU's sine and cosine are approximations in hardware, off by up to 2^-21 (CUDA C++
/// Programming Guide, intrinsic functions); the radius that multiplies them stays below 6.
void expect_close_numbers(const torch::Tensor& found, const torch::Tensor& expected) {
  const auto difference = (found.cpu() - expected.cpu()).abs();
  EXPECT_LT(difference.max().item<double>(), 3e-6);
}

TEST_F(OnGpu, TheCpusCudaNumbersAreTheDevices) {
  SeededNoise device(42, RngChoice::kDevice, test::device());
  SeededNoise cpu(42, RngChoice::kCuda, torch::kCPU);
  // Two draws, so that the second begins where the first ended; four pictures of 512x512.
  for (const int64_t samples : {1, 4}) {
    expect_close_numbers(cpu.randn({samples, 4, 64, 64}), device.randn({samples, 4, 64, 64}));
  }
}

TEST_F(OnGpu, HalfPrecisionsStayCloseToFloat32) {
  const auto drawn = [](DTypeChoice dtype) {
    LoadRequest load;
    load.checkpoint = test::data("tiny-v1.ckpt");
    load.config = test::data("tiny-v1.yaml");
    load.dtype = dtype;
    load.device = test::device_choice();
    Txt2ImgRequest request;
    request.prompts = {"a red circle above a blue square"};
    request.width = request.height = 128;
    request.steps = 10;
    request.decode = false;
    SeededNoise noise(1, RngChoice::kCpu, test::device());
    return txt2img(load_model(load), request, noise).latents;
  };
  const auto exact = drawn(DTypeChoice::kF32);
  const auto loss = [&](const torch::Tensor& x) {
    return ((x - exact).square().mean().sqrt() / exact.square().mean().sqrt()).item<double>();
  };
  const double half = loss(drawn(DTypeChoice::kF16)), brain = loss(drawn(DTypeChoice::kBF16));
  RecordProperty("f16", std::to_string(half));
  RecordProperty("bf16", std::to_string(brain));
  EXPECT_LT(half, 0.01);
  EXPECT_LT(brain, 0.05);
}

}  // namespace
}  // namespace sd
