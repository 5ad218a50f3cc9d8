// Values of the fork's swap, reweighting and saved maps on the tiny model (tests/data/goldens).
#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "sd/control/fork_swap.h"
#include "sd/control/reweight.h"
#include "sd/control/saved_maps.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "support/drawing.h"

namespace sd {
namespace {

using test::Golden;
using test::Recorded;
using test::relative_difference;
using test::tiny_model;

constexpr double kTolerance = 1e-4;  // as in test_txt2img_goldens.cpp

nlohmann::json read_json(const std::string& name) {
  std::ifstream file(test::data(name));
  return nlohmann::json::parse(file);
}

class SwapGolden : public testing::TestWithParam<int> {};

TEST_P(SwapGolden, EveryStepOfBothBranchesIsEqual) {
  static const Golden golden("goldens/swap.safetensors");
  const auto pair = read_json("goldens/swap.json").at(GetParam());
  const std::string name = std::to_string(GetParam());

  ForkSwapOptions options;
  options.alignments = {TokenAlignment{pair.at("mask").get<std::vector<double>>(),
                                       pair.at("indices").get<std::vector<int64_t>>()}};
  options.tthres = pair.at("tthres").get<double>();
  ForkSwap control(options);

  SwapRequest request;
  request.targets = {std::vector<std::string>(2, pair.at("prompt").get<std::string>())};
  request.source = std::vector<std::string>(2, pair.at("sprompt").get<std::string>());
  request.width = request.height = 128;
  request.steps = pair.at("steps").get<int64_t>();
  request.guidance_scale = pair.at("scale").get<double>();
  request.start_latents = golden[name + "_x_T"];
  request.controller = &control;
  request.decode = false;
  Recorded recorded(request);
  SeededNoise unused(0, RngChoice::kCpu, test::device());
  const auto result = draw_swap(tiny_model(), request, unused);

  recorded.latents.front() = at::cat({golden[name + "_x_T"], golden[name + "_x_T"]});
  const auto expected = at::cat({golden[name + "_target"], golden[name + "_source"]}, 1);
  test::expect_equal_steps(recorded.latents, expected, "pair " + name, kTolerance);
  EXPECT_TRUE(result.targets.at(0).latents.equal(recorded.latents.back().narrow(0, 0, 2)));
  EXPECT_TRUE(result.source.latents.equal(recorded.latents.back().narrow(0, 2, 2)));
}

INSTANTIATE_TEST_SUITE_P(FivePairs, SwapGolden, testing::Range(0, 5));

TEST(ReweightGolden, EveryStepOfEverySampleIsEqual) {
  const Golden golden("goldens/reweight.safetensors");
  const auto settings = read_json("goldens/reweight.json");
  ReweightOptions options;
  options.weights = {{settings.at("token_index").get<int64_t>(),
                      settings.at("weights").get<std::vector<double>>()}};
  Reweight control(options);

  Txt2ImgRequest request;
  request.prompts.assign(3, settings.at("prompt").get<std::string>());
  request.width = request.height = 128;
  request.steps = settings.at("steps").get<int64_t>();
  request.guidance_scale = settings.at("scale").get<double>();
  request.start_latents = golden["x_T"];
  request.controller = &control;
  request.decode = false;
  Recorded recorded(request);
  SeededNoise unused(0, RngChoice::kCpu, test::device());
  txt2img(tiny_model(), request, unused);
  test::expect_equal_steps(recorded.latents, golden["latents"], "reweight", kTolerance);
}

TEST(AttentionGolden, SavedMapsAreEqualByName) {
  const c10::InferenceMode inference;
  const Golden golden("goldens/attention.safetensors");
  int64_t compared = 0;
  SavedMaps control([&](const SavedMap& map) {
    EXPECT_LT(relative_difference(map.maps, golden[map.name]), kTolerance) << map.name;
    ++compared;
  });
  ForwardContext run;
  run.controller = &control;
  run.rows = {{RowGroup::Branch::kTarget, false, 0, 2, 0},
              {RowGroup::Branch::kTarget, true, 2, 2, 0}};
  const auto x = at::cat({golden["x"], golden["x"]});
  const auto context = at::cat({golden["uncond"], golden["context"]});
  for (const double t : {981.0, 1.0}) {
    run.step = {0, 1, t, 0};
    tiny_model().model->unet->forward(x, x.new_full({4}, t), context, run);
  }
  EXPECT_EQ(compared, 2 * 16);
}

}  // namespace
}  // namespace sd
