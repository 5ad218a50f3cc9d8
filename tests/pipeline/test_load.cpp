#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/inspect.h"
#include "sd/pipeline/load.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::data;
using test::expect_error;

LoadRequest tiny_request() {
  LoadRequest request;
  request.checkpoint = data("tiny-v1.ckpt");
  request.config = data("tiny-v1.yaml");
  request.device = test::device_choice();
  return request;
}

TEST(LoadModel, TellsTheDefaultSizeFromTheConfig) {
  EXPECT_EQ(inspect_model({tiny_request().checkpoint, tiny_request().config}).default_pixels(),
            128);
}

TEST(LoadModel, ReportsProgressUpToTheLastTensor) {
  auto request = tiny_request();
  Progress last;
  request.on_progress = [&](const Progress& progress) {
    last = progress;
    return true;
  };
  load_model(request);
  EXPECT_EQ(last.stage, Progress::Stage::kLoad);
  EXPECT_GT(last.total, 100);
  EXPECT_EQ(last.done, last.total);
}

TEST(LoadModel, CanBeCancelled) {
  auto request = tiny_request();
  request.on_progress = [](const Progress& progress) { return progress.done < 3; };
  EXPECT_THROW(load_model(request), Cancelled);
}

TEST(LoadModel, MissingFileIsAnInputError) {
  auto request = tiny_request();
  request.checkpoint = data("no-such-model.ckpt");
  expect_error<IoError>([&] { load_model(request); }, "no-such-model.ckpt");
}

TEST(LoadModel, EmaIsAskedForOnlyWhereItExists) {
  auto request = tiny_request();
  request.ema = true;
  expect_error<CheckpointError>([&] { load_model(request); }, "model_ema");
}

TEST(LoadModel, AConfigOfAnotherModelSaysBothSides) {
  auto request = tiny_request();
  request.config =
      std::filesystem::path(SD_SOURCE_DIR) / "configs/stable-diffusion/v1-inference.yaml";
  expect_error<Error>([&] { load_model(request); }, "v1-inference.yaml", "tiny-v1.ckpt", "320",
                      "32");
}

TEST(LoadModel, CudaThatIsNotThereIsSaid) {
  if (std::filesystem::exists("/dev/nvidiactl")) GTEST_SKIP() << "this machine has a GPU";
  auto request = tiny_request();
  request.device.kind = DeviceChoice::Kind::kCuda;
  expect_error<UsageError>([&] { load_model(request); }, "--device cuda");
}

}  // namespace
}  // namespace sd
