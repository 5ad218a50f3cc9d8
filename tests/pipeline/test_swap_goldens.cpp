// Values of the fork's swap on the tiny model (tests/data/goldens/swap.safetensors, swap.json).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "sd/control/fork_swap.h"
#include "sd/pipeline/swap.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::Golden;
using test::relative_difference;
using test::tiny_model;

// As in test_txt2img_goldens.cpp: float32 sums in another order, times guidance.
constexpr double kTolerance = 1e-4;

class SwapGolden : public testing::TestWithParam<int> {};

TEST_P(SwapGolden, EveryStepOfBothBranchesIsEqual) {
  static const Golden golden("goldens/swap.safetensors");
  std::ifstream file(test::data("goldens/swap.json"));
  const auto pair = nlohmann::json::parse(file).at(GetParam());
  const std::string name = std::to_string(GetParam());

  ForkSwapOptions options;
  options.alignments = {
      {pair.at("mask").get<std::vector<float>>(), pair.at("indices").get<std::vector<int64_t>>()}};
  options.tthres = pair.at("tthres").get<double>();
  ForkSwap control(options);

  SwapRequest request;
  const auto prompt = pair.at("prompt").get<std::string>();
  const auto sprompt = pair.at("sprompt").get<std::string>();
  request.targets = {{prompt, prompt}};
  request.source = {sprompt, sprompt};
  request.width = request.height = 128;
  request.steps = pair.at("steps").get<int64_t>();
  request.guidance_scale = pair.at("scale").get<double>();
  request.start_latents = golden[name + "_x_T"];
  request.controller = &control;
  request.decode = false;
  const auto target = golden[name + "_target"], source = golden[name + "_source"];
  request.on_step = [&](const StepReport& step) {
    EXPECT_LT(relative_difference(step.x.narrow(0, 0, 2), target[step.step + 1]), kTolerance)
        << "target after step " << step.step;
    EXPECT_LT(relative_difference(step.x.narrow(0, 2, 2), source[step.step + 1]), kTolerance)
        << "source after step " << step.step;
    return true;
  };
  SeededNoise unused(0, RngChoice::kCpu, torch::kCPU);
  const auto result = draw_swap(tiny_model(), request, unused);
  EXPECT_LT(relative_difference(result.targets.at(0).latents, target[10]), kTolerance);
  EXPECT_LT(relative_difference(result.source.latents, source[10]), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(FivePairs, SwapGolden, testing::Range(0, 5));

}  // namespace
}  // namespace sd
