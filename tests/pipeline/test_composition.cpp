// Prompts that are drawn together (AND): arXiv:2206.01714.
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "sd/control/map_recorder.h"
#include "sd/pipeline/txt2img.h"
#include "support/drawing.h"
#include "support/golden.h"
#include "support/sampler_cases.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::Golden;
using test::relative_difference;
using test::tiny_model;

Txt2ImgRequest request_of(const std::vector<std::string>& prompts) {
  Txt2ImgRequest request;
  request.prompts = prompts;
  request.width = request.height = 128;
  request.steps = 4;
  request.decode = false;
  request.prompt_syntax = PromptSyntax::kAuto;
  return request;
}

torch::Tensor drawn(const Txt2ImgRequest& request) {
  SeededNoise noise(1, RngChoice::kCpu, test::device());
  return txt2img(tiny_model(), request, noise).latents;
}

TEST(Composition, DrawsWhatAPythonModelDraws) {
  const Golden values("goldens/composition.safetensors");
  struct Run {
    std::string name, prompt;
    double scale;
  };
  for (const auto& [name, prompt, scale] :
       {Run{"two", "a red circle AND a blue square:0.6", 7.5},
        Run{"three", "a cat:0.8 AND a dog on a sofa :0.5 AND a green car:-0.4", 5},
        Run{"scale_one", "a red circle AND a blue square:0.6", 1}}) {
    for (const bool plms : {false, true}) {
      auto request = request_of({prompt});
      request.negative_prompt = "blurry";
      request.guidance_scale = scale;
      request.start_latents = values["noise"];
      request.sampler = plms ? SamplerKind::kPlms : SamplerKind::kDdim;
      // The measure of all trajectories against diffusers.
      EXPECT_LT(relative_difference(drawn(request), values[name + (plms ? "_plms" : "_ddim")]),
                1e-4)
          << name << " " << plms;
    }
  }
}

class EverySampler : public ::testing::TestWithParam<SamplerKind> {};

TEST_P(EverySampler, EqualPartsThatAddUpToOneAreThePlainPrompt) {
  auto plain = request_of({"a red cat"}),
       composed = request_of({"a red cat:0.25 AND a red cat:0.75"});
  auto stronger = request_of({"a red cat AND a red cat"});
  for (auto* request : {&plain, &composed, &stronger}) request->sampler = GetParam();
  const auto expected = drawn(plain);
  EXPECT_LT(relative_difference(drawn(composed), expected), 1e-5);
  EXPECT_GT(relative_difference(drawn(stronger), expected), 1e-3);
  // Two whole parts are twice the scale.
  plain.guidance_scale = 2 * stronger.guidance_scale;
  EXPECT_LT(relative_difference(drawn(stronger), drawn(plain)), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Composition, EverySampler, ::testing::ValuesIn(test::all_sampler_kinds()),
                         [](const auto& each) { return test::case_name(each.param); });

TEST(Composition, EachPictureOfABatchHasItsOwnParts) {
  const std::vector<std::string> prompts = {"a cat", "a dog AND a fox:-0.5 AND a car",
                                            "a bird AND a sofa"};
  auto all = request_of(prompts);
  all.start_latents = at::randn({1, 4, 16, 16}).expand({3, -1, -1, -1}).contiguous();
  const auto together = drawn(all);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    auto alone = request_of({prompts[i]});
    alone.start_latents = all.start_latents->narrow(0, 0, 1);
    EXPECT_LT(relative_difference(together[static_cast<int64_t>(i)], drawn(alone)[0]), 1e-5) << i;
  }
}

TEST(Composition, ControllersSeeWhichPartRowsBelongTo) {
  test::Onlooker onlooker;
  auto request = request_of({"a cat AND a dog", "a bird"});
  request.controller = &onlooker;
  drawn(request);
  const auto& rows = onlooker.last_rows;
  ASSERT_EQ(rows.size(), 3u);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].conditional, i > 0) << i;
    EXPECT_EQ(rows[i].part, i == 2 ? 1 : 0) << i;
    EXPECT_EQ(rows[i].begin, static_cast<int64_t>(2 * i)) << i;
  }
}

TEST(Composition, MapsOfAPartAreThoseOfItsPromptAlone) {
  // One step, so that both see the same latents.
  const auto maps_of = [](const std::string& prompt) {
    MapRecorder recorder;
    auto request = request_of({prompt});
    request.steps = 1;
    request.controller = &recorder;
    drawn(request);
    return recorder.layers().front().maps.sum;
  };
  const auto both = maps_of("a red cat AND a blue dog:0.5");
  ASSERT_EQ(both.size(1), 154);
  EXPECT_LT(relative_difference(both.narrow(1, 0, 77), maps_of("a red cat")), 1e-5);
  EXPECT_LT(relative_difference(both.narrow(1, 77, 77), maps_of("a blue dog")), 1e-5);
}

}  // namespace
}  // namespace sd
