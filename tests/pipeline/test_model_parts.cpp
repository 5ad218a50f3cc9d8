#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "pipeline/model_parts.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/txt2img.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::relative_difference;
using test::tiny_model;

constexpr ModelPart kAllParts[] = {ModelPart::kText, ModelPart::kUNet, ModelPart::kEncoder,
                                   ModelPart::kDecoder};

LoadRequest tiny_request() {
  LoadRequest request;
  request.checkpoint = test::data("tiny-v1.ckpt");
  request.config = test::data("tiny-v1.yaml");
  request.dtype = DTypeChoice::kF32;
  request.device.kind = DeviceChoice::Kind::kCpu;
  return request;
}

LoadedModel low_memory_model() {
  auto request = tiny_request();
  request.low_memory = true;
  return load_model(request);
}

Txt2ImgResult draw(const LoadedModel& model) {
  Txt2ImgRequest request;
  request.prompts = {"a red circle above a blue square"};
  request.width = request.height = 128;
  request.steps = 2;
  SeededNoise noise(42, RngChoice::kCpu, torch::kCPU);
  return txt2img(model, request, noise);
}

void expect_same(const Txt2ImgResult& found, const Txt2ImgResult& expected) {
  EXPECT_TRUE(found.latents.equal(expected.latents));
  EXPECT_EQ(found.pictures.front().pixels, expected.pictures.front().pixels);
}

/// What a device of its own need not have.
class ModelPartsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (test::device() != torch::kCPU) GTEST_SKIP() << "parts leave a CPU's memory alone";
  }
};

TEST_F(ModelPartsTest, ComeBackWithTheSameBits) {
  const auto model = load_model(tiny_request());
  const auto expected = draw(model);
  for (const auto part : kAllParts) model.parts->release(part);
  for (const auto part : kAllParts) EXPECT_FALSE(model.parts->is_there(part));
  expect_same(draw(model), expected);
}

TEST_F(ModelPartsTest, HaveNoWeightsWhenTheyAreReleased) {
  const auto model = load_model(tiny_request());
  model.parts->release(ModelPart::kText);
  for (const auto& parameter : model.model->text->parameters()) EXPECT_TRUE(parameter.is_meta());
}

TEST_F(ModelPartsTest, StayWhileTheyAreUsed) {
  const auto model = load_model(tiny_request());
  {
    const auto use = model.parts->use(ModelPart::kUNet);
    model.parts->release(ModelPart::kUNet);
    EXPECT_TRUE(model.parts->is_there(ModelPart::kUNet));
  }
  model.parts->release(ModelPart::kUNet);
  EXPECT_FALSE(model.parts->is_there(ModelPart::kUNet));
}

TEST_F(ModelPartsTest, OfASmallModelStayWhenTheyArePutAway) {
  const auto model = load_model(tiny_request());
  draw(model);  // puts the text encoder away
  for (const auto part : kAllParts) EXPECT_TRUE(model.parts->is_there(part));
}

TEST_F(ModelPartsTest, ALowMemoryModelDrawsTheSame) {
  expect_same(draw(low_memory_model()), draw(tiny_model()));
}

TEST_F(ModelPartsTest, ALowMemoryModelHoldsOneAtATime) {
  const auto model = low_memory_model();
  for (const auto part : kAllParts) EXPECT_FALSE(model.parts->is_there(part));
  const auto text = model.parts->use(ModelPart::kText);
  { const auto decoder = model.parts->use(ModelPart::kDecoder); }
  EXPECT_TRUE(model.parts->is_there(ModelPart::kText));  // is used
  const auto unet = model.parts->use(ModelPart::kUNet);
  EXPECT_FALSE(model.parts->is_there(ModelPart::kDecoder));
}

TEST_F(ModelPartsTest, ThreadsShareALowMemoryModel) {
  const auto model = low_memory_model();
  const auto expected = draw(model);
  std::array<Txt2ImgResult, 2> drawn;
  {
    std::thread other([&] { drawn[0] = draw(model); });
    drawn[1] = draw(model);
    other.join();
  }
  for (const auto& each : drawn) expect_same(each, expected);
}

TEST_F(ModelPartsTest, WeightsOf8BitsDrawNearlyTheSame) {
  auto request = tiny_request();
  request.weights = WeightsChoice::kInt8;
  const auto expected = draw(tiny_model()).latents;
  const double error = relative_difference(draw(load_model(request)).latents, expected);
  EXPECT_GT(error, 1e-5);
  EXPECT_LT(error, 0.05);
}

}  // namespace
}  // namespace sd
