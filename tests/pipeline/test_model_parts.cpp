#include <gtest/gtest.h>

#include <array>
#include <future>
#include <thread>

#include "pipeline/model_parts.h"
#include "sd/core/error.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/txt2img.h"
#include "sd/weights/open.h"
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

/// A tensor source that goes on once it is told to, and cannot read a tensor of that name.
class SlowSource final : public TensorSource {
 public:
  SlowSource(std::shared_ptr<const TensorSource> whole, std::string unreadable)
      : whole_(std::move(whole)), unreadable_(std::move(unreadable)) {}

  const std::vector<std::string>& names() const override { return whole_->names(); }
  bool contains(std::string_view name) const override { return whole_->contains(name); }
  TensorView at(std::string_view name) const override {
    gone_on_.wait();
    if (name == unreadable_) throw IoError("a damaged disk");
    return whole_->at(name);
  }
  TensorView describe(std::string_view name) const override { return whole_->describe(name); }
  const std::string& label() const override { return whole_->label(); }

  std::promise<void> go_on;

 private:
  std::shared_future<void> gone_on_ = go_on.get_future().share();
  std::shared_ptr<const TensorSource> whole_;
  std::string unreadable_;
};

/// The tiny model with its parts' weights yet to be loaded by a thread.
struct InBackground {
  explicit InBackground(std::string unreadable = {}) {
    for (const auto part : kAllParts) model.parts->release(part);
    source = std::make_shared<SlowSource>(open_model(test::data("tiny-v1.ckpt")).tensors,
                                          std::move(unreadable));
    LoadOptions options;
    options.late = true;
    model.parts = std::make_shared<ModelParts>(parameter_slots(*model.model), source, options,
                                               ModelParts::Policy::kInBackground);
  }

  LoadedModel model = load_model(tiny_request());
  std::shared_ptr<SlowSource> source;
};

TEST_F(ModelPartsTest, LoadedInTheBackgroundDrawTheSame) {
  const auto expected = draw(tiny_model());
  InBackground loading;
  for (const auto part : kAllParts) EXPECT_FALSE(loading.model.parts->is_there(part));
  std::thread later([&] { loading.source->go_on.set_value(); });
  expect_same(draw(loading.model), expected);
  later.join();
  for (const auto part : kAllParts) {
    const auto use = loading.model.parts->use(part);
    EXPECT_TRUE(loading.model.parts->is_there(part));
  }
}

TEST_F(ModelPartsTest, WhatStopsTheirLoadingInTheBackgroundIsToldToWhoeverNeedsThem) {
  InBackground loading("model.diffusion_model.out.2.weight");
  loading.source->go_on.set_value();
  EXPECT_NO_THROW(loading.model.parts->use(ModelPart::kText));
  EXPECT_THROW(loading.model.parts->use(ModelPart::kUNet), IoError);
  EXPECT_THROW(loading.model.parts->use(ModelPart::kDecoder), IoError);
  EXPECT_THROW(draw(loading.model), IoError);
}

TEST_F(ModelPartsTest, AModelMayGoWhileItIsLoaded) {
  InBackground loading;
  loading.source->go_on.set_value();
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
