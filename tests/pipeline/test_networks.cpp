// LoRAs, merged into the weights and beside the layers, against what diffusers draws with them
// (tests/data/networks, written by tests/tools/make_lora_values.py).
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "sd/core/error.h"
#include "sd/networks/apply.h"
#include "sd/networks/network.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::Golden;
using test::relative_difference;
using test::tiny_model;

constexpr double kTolerance = 1e-4;
constexpr const char* kPrompt = "a red circle above a blue square";

std::shared_ptr<const Network> network(const char* name) {
  return open_network(test::data(std::string("networks/") + name + ".safetensors"));
}

/// Those of make_lora_values.py.
std::vector<AppliedNetwork> ink() { return {{network("ink"), 0.8, 0.8}}; }
std::vector<AppliedNetwork> both() {
  return {{network("ink"), 0.5, 1.2}, {network("line"), -0.7, -0.7}};
}

LoadedModel model_with(const std::vector<AppliedNetwork>& networks) {
  LoadRequest request;
  request.checkpoint = test::data("tiny-v1.ckpt");
  request.config = test::data("tiny-v1.yaml");
  request.dtype = DTypeChoice::kF32;
  request.device = test::device_choice();
  request.networks = networks;
  return load_model(request);
}

DrawRequest request_of(int64_t samples) {
  DrawRequest request;
  request.targets = {std::vector<std::string>(static_cast<std::size_t>(samples), kPrompt)};
  request.negative_prompt = "blurry";
  request.width = request.height = 128;
  request.steps = 4;
  request.start_latents =
      Golden("networks/latents.safetensors")["noise"].repeat({samples, 1, 1, 1});
  request.decode = false;
  return request;
}

torch::Tensor drawn(const LoadedModel& model, const DrawRequest& request) {
  SeededNoise unused(0, RngChoice::kCpu, test::device());
  return draw(model, request, unused).latents;
}

std::vector<RowNetwork> of_all_rows(const std::vector<AppliedNetwork>& networks) {
  std::vector<RowNetwork> beside;
  for (const auto& applied : networks) beside.push_back({applied});
  return beside;
}

TEST(Networks, MergedOnesDrawAsDiffusersDoes) {
  const Golden expected("networks/latents.safetensors");
  EXPECT_LT(relative_difference(drawn(model_with({}), request_of(1)), expected["none"]),
            kTolerance);
  EXPECT_LT(relative_difference(drawn(model_with(ink()), request_of(1)), expected["ink"]),
            kTolerance);
  EXPECT_LT(relative_difference(drawn(model_with(both()), request_of(1)), expected["both"]),
            kTolerance);
}

TEST(Networks, EachRowOfABatchDrawsWithItsOwn) {
  const Golden expected("networks/latents.safetensors");
  auto request = request_of(3);
  const auto applied = both();
  request.networks = {{ink()[0], {}, {false, true, false}},
                      {applied[0], {}, {false, false, true}},
                      {applied[1], {}, {false, false, true}}};
  const auto latents = drawn(tiny_model(), request);
  const char* names[] = {"none", "ink", "both"};
  for (int row = 0; row < 3; ++row)
    EXPECT_LT(relative_difference(latents.narrow(0, row, 1), expected[names[row]]), kTolerance)
        << names[row];
}

TEST(Networks, BesideTheLayersTheyDrawAsMerged) {
  auto request = request_of(1);
  request.networks = of_all_rows(both());
  EXPECT_LT(relative_difference(drawn(tiny_model(), request),
                                Golden("networks/latents.safetensors")["both"]),
            kTolerance);
}

TEST(Networks, NothingOfThemIsNothingToTheBit) {
  const auto none = drawn(tiny_model(), request_of(1));
  EXPECT_TRUE(at::equal(drawn(model_with({{network("ink"), 0, 0}}), request_of(1)), none));
}

TEST(Networks, OfNoStepAndNoTextTheyChangeNothing) {
  auto request = request_of(1);
  request.networks = {{{network("line"), 0, 1}, {.start = 5}}};
  EXPECT_LT(relative_difference(drawn(tiny_model(), request), drawn(tiny_model(), request_of(1))),
            1e-6);
}

TEST(Networks, TheyActInTheirStepsAlone) {
  const auto record = [&](std::vector<RowNetwork> networks) {
    auto request = request_of(1);
    request.networks = std::move(networks);
    test::Recorded recorded(request);
    drawn(tiny_model(), request);
    return recorded.latents;
  };
  const auto none = record({});
  const auto late = record({{{network("line"), 1, 1}, {.start = 3}}});
  EXPECT_LT(relative_difference(late[2], none[2]), 1e-6);   // after two steps
  EXPECT_GT(relative_difference(late[3], none[3]), 0.001);  // the third has it
  const auto early = record({{{network("line"), 1, 1}, {.stop = 2}}});
  const auto always = record({{{network("line"), 1, 1}}});
  EXPECT_LT(relative_difference(early[1], always[1]), 1e-6);
  EXPECT_GT(relative_difference(early[2], always[2]), 0.001);
}

TEST(Networks, ASwapsSourceDoesWithoutThoseOfItsTarget) {
  auto request = request_of(1);
  request.source = {"a red circle above a green square"};
  const auto plain = drawn(tiny_model(), request);
  request.networks = {{ink()[0], {}, {true, false}}};
  const auto latents = drawn(tiny_model(), request);
  EXPECT_LT(relative_difference(latents[1], plain[1]), 1e-5);
  EXPECT_LT(
      relative_difference(latents.narrow(0, 0, 1), Golden("networks/latents.safetensors")["ink"]),
      kTolerance);
}

TEST(Networks, BlocksAreWeighedAsMerged) {
  auto applied = both();
  for (auto& one : applied) {
    one.blocks.assign(kNetworkBlocks, 0.0);
    one.blocks[0] = 1;     // the text encoder
    one.blocks[25] = 0.5;  // OUT11
  }
  auto request = request_of(1);
  request.networks = of_all_rows(applied);
  const auto beside = drawn(tiny_model(), request);
  EXPECT_LT(relative_difference(beside, drawn(model_with(applied), request_of(1))), kTolerance);
  EXPECT_GT(relative_difference(beside, Golden("networks/latents.safetensors")["both"]), 0.01);
}

TEST(Networks, GuidanceInsideOfTheUNetKnowsWhichRowHasThem) {
  const AddedGuidance all[] = {{.pag_scale = 2, .nag_scale = 3},
                               {.seg_scale = 2, .seg_sigma = 1, .sag_scale = 0.5}};
  for (const auto& added : all) {
    auto request = request_of(2), plain = request_of(1), inked = request_of(1);
    for (auto* one : {&request, &plain, &inked}) {
      one->added = added;
      one->steps = 2;
    }
    request.networks = {{ink()[0], {}, {false, true}}};
    inked.networks = of_all_rows(ink());
    const auto latents = drawn(tiny_model(), request);
    EXPECT_LT(relative_difference(latents.narrow(0, 0, 1), drawn(tiny_model(), plain)), 1e-5);
    EXPECT_LT(relative_difference(latents.narrow(0, 1, 1), drawn(tiny_model(), inked)), 1e-5);
    EXPECT_GT(relative_difference(latents[0], latents[1]), 1e-3);
  }
}

TEST(Networks, RowsMustBeThoseOfTheBatch) {
  auto request = request_of(2);
  request.networks = {{ink()[0], {}, {true, false, true}}};
  test::expect_error<UsageError>([&] { drawn(tiny_model(), request); }, "rows of 3", "batch of 2");
}

}  // namespace
}  // namespace sd
