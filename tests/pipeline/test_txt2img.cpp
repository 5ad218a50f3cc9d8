#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <limits>

#include "sd/core/error.h"
#include "sd/pipeline/txt2img.h"
#include "support/expect_error.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::expect_error;
using test::relative_difference;
using test::tiny_model;

Txt2ImgRequest small_request() {
  Txt2ImgRequest request;
  request.prompts = {"a red circle above a blue square", "a photo of a house on a snowy mountain"};
  request.width = request.height = 128;
  request.steps = 2;
  return request;
}

Txt2ImgResult draw(const Txt2ImgRequest& request, uint64_t seed = 42) {
  SeededNoise noise(seed, RngChoice::kCpu, test::device());
  return txt2img(tiny_model(), request, noise);
}

TEST(Txt2Img, GivesAPictureForEachPrompt) {
  const auto result = draw(small_request());
  ASSERT_EQ(result.pictures.size(), 2u);
  EXPECT_EQ(result.pictures[0].width, 128);
  EXPECT_EQ(result.pictures[0].pixels.size(), 128u * 128u * 3u);
  EXPECT_EQ(result.latents.sizes(), at::IntArrayRef({2, 4, 16, 16}));
}

TEST(Txt2Img, TheSeedDecides) {
  EXPECT_TRUE(draw(small_request(), 1).latents.equal(draw(small_request(), 1).latents));
  EXPECT_FALSE(draw(small_request(), 1).latents.equal(draw(small_request(), 2).latents));
}

TEST(Txt2Img, ANegativePromptChangesThePicture) {
  auto request = small_request();
  const auto plain = draw(request);
  request.negative_prompt = "blurry";
  EXPECT_GT(relative_difference(draw(request).latents, plain.latents), 1e-4);
}

TEST(Draw, SamplesMayHaveScalesAndNegativePromptsOfTheirOwn) {
  DrawRequest together;
  together.width = together.height = 128;
  together.steps = 2;
  together.targets = {{"a red circle", "a blue square"}};
  together.guidance_scales = {2.0, 9.0};
  together.negative_prompts = {"blurry", "a red square"};
  together.decode = false;
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  together.start_latents = noise.randn({2, 4, 16, 16});
  const auto both = draw(tiny_model(), together, noise).latents;
  for (int64_t i = 0; i < 2; ++i) {
    const auto at = static_cast<std::size_t>(i);
    DrawRequest alone(static_cast<const DrawSettings&>(together));
    alone.targets = {{together.targets[0][at]}};
    alone.guidance_scale = together.guidance_scales[at];
    alone.negative_prompt = together.negative_prompts[at];
    alone.start_latents = together.start_latents->narrow(0, i, 1);
    // float32 sums in another order
    EXPECT_LT(relative_difference(both.narrow(0, i, 1), draw(tiny_model(), alone, noise).latents),
              1e-5);
  }
}

TEST(Draw, ListsHaveOneValueASample) {
  DrawRequest request;
  request.targets = {{"a", "b"}};
  request.guidance_scales = {1.0};
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  expect_error<UsageError>([&] { draw(tiny_model(), request, noise); }, "1 guidance scales",
                           "2 samples");
}

TEST(Txt2Img, AControllerKnowsWhichRowsAreConditional) {
  test::Onlooker onlooker;
  auto request = small_request();
  request.controller = &onlooker;
  draw(request);
  ASSERT_EQ(onlooker.last_rows.size(), 2u);
  EXPECT_FALSE(onlooker.last_rows[0].conditional);
  EXPECT_TRUE(onlooker.last_rows[1].conditional);
  EXPECT_EQ(onlooker.last_rows[1].begin, 2);
  EXPECT_EQ(onlooker.last_rows[1].count, 2);
}

TEST(Txt2Img, ReportsEveryStage) {
  auto request = small_request();
  std::vector<Progress> seen;
  request.on_progress = [&](const Progress& progress) {
    seen.push_back(progress);
    return true;
  };
  draw(request);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().stage, Progress::Stage::kDecode);
  EXPECT_EQ(seen.back().done, 2);
}

TEST(Txt2Img, StopsWhenTheCallbackSaysSo) {
  auto request = small_request();
  request.on_progress = [](const Progress& progress) {
    return progress.stage != Progress::Stage::kSample || progress.done < 1;
  };
  EXPECT_THROW(draw(request), Cancelled);
}

TEST(Txt2Img, NamesTheStageOfABrokenStart) {
  auto request = small_request();
  request.start_latents = at::full({2, 4, 16, 16}, std::numeric_limits<float>::quiet_NaN());
  expect_error<Error>([&] { draw(request); }, "start latents", "NaN");
}

TEST(Txt2Img, NamesTheStepWhereLatentsOverflow) {
  auto request = small_request();
  request.start_latents = at::full({2, 4, 16, 16}, 3e38F);  // finite, but its square is not
  expect_error<Error>([&] { draw(request); }, "after step 1 of 2");
}

TEST(Txt2Img, RefusesSizesThatTheUNetCannotHalve) {
  auto request = small_request();
  request.width = 100;
  expect_error<UsageError>([&] { draw(request); }, "width is 100", "multiple of 32");
}

TEST(Txt2Img, RefusesStartLatentsOfAnotherShape) {
  auto request = small_request();
  request.start_latents = at::full({2, 4, 8, 8}, 0.0F);
  expect_error<UsageError>([&] { draw(request); }, "[2, 4, 8, 8]", "[2, 4, 16, 16]");
}

TEST(Txt2Img, AnEmptyPromptWorks) {
  auto request = small_request();
  request.prompts = {""};
  EXPECT_EQ(draw(request).pictures.size(), 1u);
}

}  // namespace
}  // namespace sd
