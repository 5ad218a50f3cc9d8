#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "control/attention_scene.h"
#include "sd/control/map_recorder.h"
#include "sd/control/saved_maps.h"
#include "sd/core/error.h"

namespace sd {
namespace {

using test::AttentionScene;
using test::distance;

/// Shows a recorder what it wants of a call, as a layer does.
torch::Tensor show(AttentionController& recorder, const AttentionScene& scene) {
  const auto probs = scene.probabilities();
  if (recorder.use(scene.call()) == AttentionUse::kNone) return probs;
  for (const auto& group : scene.rows) {
    if (!recorder.observes(group, scene.call())) continue;
    recorder.observe(probs.narrow(0, group.begin, group.count), group, scene.call());
  }
  return probs;
}

TEST(MapRecorder, SumsOverStepsAndMeansOverHeads) {
  AttentionScene scene(2, /*targets=*/2);
  MapRecorder recorder;
  torch::Tensor expected;  // [rows,tokens,h,w]
  for (int64_t step = 0; step < 3; ++step) {
    scene.step = {step, 10, 901.0 - 100.0 * static_cast<double>(step), 0};
    const auto probs = show(recorder, scene);
    const auto targets = at::cat({scene.target(probs, 0), scene.target(probs, 1)});
    const auto maps = targets.mean(1).transpose(1, 2).reshape({4, 6, 2, 3});
    expected = expected.defined() ? expected + maps : maps;
  }
  ASSERT_EQ(recorder.layers().size(), 1u);
  EXPECT_LT(distance(recorder.layers()[0].maps.sum, expected), 1e-6);
  EXPECT_EQ(recorder.timesteps(), (std::vector<double>{901, 801, 701}));
  // Every pixel pays 1 in all, a step: float32's rounding of six terms three times.
  EXPECT_LT(distance(recorder.layers()[0].maps.sum.sum(1), at::full({4, 2, 3}, 3.0)), 1e-5);
}

TEST(MapRecorder, TokensOfLaterPartsStandBehindTheFirst) {
  AttentionScene scene(2, 1, /*source=*/false);
  scene.add_part(2);
  MapRecorder recorder({.timeline = 1});
  std::vector<SavedMap> saved;
  SavedMaps saver([&](const SavedMap& maps) { saved.push_back(maps); });
  const auto probs = show(recorder, scene);
  for (const auto& group : scene.rows) {
    if (!saver.observes(group, scene.call())) continue;
    saver.observe(probs.narrow(0, group.begin, group.count), group, scene.call());
  }
  const auto maps =
      at::cat({probs.narrow(0, 2, 2), probs.narrow(0, 4, 2)}, -1).mean(1);  // [2,6,12]
  const auto& sum = recorder.layers()[0].maps.sum;
  EXPECT_LT(distance(sum, maps.transpose(1, 2).reshape({2, 12, 2, 3})), 1e-6);
  EXPECT_TRUE(recorder.timeline()[0][0].sum.equal(sum));
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_LT(distance(saved[0].maps, maps.reshape({2, 2, 3, 12})), 1e-6);
}

TEST(MapRecorder, CountsAStepOnceHoweverOftenTheUNetIsCalled) {
  AttentionScene scene;
  MapRecorder recorder;
  show(recorder, scene);
  scene.step.evaluation = 1;
  show(recorder, scene);
  EXPECT_EQ(recorder.timesteps().size(), 1u);
  EXPECT_LT(distance(recorder.layers()[0].maps.sum.sum(1), at::ones({1, 2, 3})), 1e-5);
}

TEST(MapRecorder, MapsHaveTheOrientationOfTheGrid) {
  AttentionScene scene(1, 1, /*source=*/false);
  MapRecorder recorder;
  auto probs = scene.probabilities();
  probs.fill_(0.0);
  // Only the pixel in row 1, column 2 of the 2x3 grid looks at token 4.
  scene.target(probs).select(2, 1 * 3 + 2).select(-1, 4).fill_(1.0);
  recorder.observe(scene.target(probs), scene.rows[1], scene.call());
  const auto map = recorder.layers()[0].maps.sum[0][4];
  EXPECT_EQ(map.sum().item<float>(), 1.0F);
  EXPECT_EQ(map[1][2].item<float>(), 1.0F);
  const auto wide = heat_maps(recorder.layers(), 8, 12)[0][4];  // height first
  EXPECT_EQ(wide.sizes(), at::IntArrayRef({8, 12}));
  const auto at_most = wide.argmax().item<int64_t>();
  EXPECT_GE(at_most / 12, 4);
  EXPECT_GE(at_most % 12, 8);
}

TEST(MapRecorder, CanLookAtTheSourceOrTheUnconditionalRows) {
  const AttentionScene scene;
  MapRecorder source({.branch = RowGroup::Branch::kSource});
  MapRecorder unconditional({.conditional = false});
  const auto mean = [&](const torch::Tensor& rows) {
    return rows.mean(1).transpose(1, 2).reshape({1, 6, 2, 3});
  };
  const auto shown = show(source, scene), also_shown = show(unconditional, scene);
  EXPECT_LT(distance(mean(scene.source(shown)), source.layers().at(0).maps.sum), 1e-6);
  EXPECT_LT(distance(mean(scene.unconditional(also_shown)), unconditional.layers().at(0).maps.sum),
            1e-6);
}

TEST(MapRecorder, CanBeHeldToHeads) {
  const AttentionScene scene;
  MapRecorder recorder({.sites = {{}, {}, {1}}});
  const auto probs = show(recorder, scene);
  const auto expected = scene.target(probs).select(1, 1).transpose(1, 2).reshape({1, 6, 2, 3});
  EXPECT_LT(distance(recorder.layers().at(0).maps.sum, expected), 1e-6);
}

TEST(MapRecorder, TheTimelinesPartsAddUpToTheWhole) {
  AttentionScene small, large;
  large.site.block = 5;
  large.height = 4, large.width = 6;
  MapRecorder recorder({.timeline = 2});
  for (int64_t step = 0; step < 4; ++step) {
    small.step = large.step = {step, 4, 751.0 - 250.0 * static_cast<double>(step), 0};
    show(recorder, small);
    small.site.block = 6;  // a second layer of this size
    show(recorder, small);
    small.site.block = 4;
    show(recorder, large);
  }
  ASSERT_EQ(recorder.layers().size(), 3u);
  ASSERT_EQ(recorder.timeline().size(), 2u);
  for (const auto& part : recorder.timeline()) {
    ASSERT_EQ(part.size(), 2u);  // grid sizes
    EXPECT_EQ(part[0].layers, 2);
    EXPECT_EQ(part[1].layers, 1);
  }
  const auto whole = recorder.layers()[0].maps.sum + recorder.layers()[1].maps.sum;
  EXPECT_LT(distance(recorder.timeline()[0][0].sum + recorder.timeline()[1][0].sum, whole), 1e-5);
  const auto parts = sum_by_part(recorder.layers());
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].maps.layers, 2);
  EXPECT_LT(distance(parts[0].maps.sum, whole), 1e-6);
}

TEST(HeatMaps, AConstantMapStaysConstantAndLayersAreAveraged) {
  const std::vector<MapSum> sums = {{1, at::full({1, 2, 2, 3}, 1.0)},
                                    {1, at::full({1, 2, 4, 6}, 3.0)}};
  const auto maps = heat_maps(sums, 8, 12);
  EXPECT_EQ(maps.sizes(), at::IntArrayRef({1, 2, 8, 12}));
  EXPECT_LT(distance(maps, at::full({1, 2, 8, 12}, 2.0)), 1e-5);
  EXPECT_THROW(heat_maps(std::vector<MapSum>{}, 8, 8), UsageError);
}

TEST(SavedMaps, CarryTheForksNames) {
  AttentionScene scene;
  std::vector<SavedMap> saved;
  SavedMaps maps([&](const SavedMap& map) { saved.push_back(map); });
  scene.step.timestep = 981;
  scene.height = scene.width = 16;
  scene.site = {AttentionKind::kCross, UNetPart::kDown, 7, 0, 4};
  show(maps, scene);
  scene.site.part = UNetPart::kMiddle;
  show(maps, scene);
  ASSERT_EQ(saved.size(), 2u);
  EXPECT_EQ(saved[0].name, "down_time0981_res016_num007.npy");
  EXPECT_EQ(saved[1].name, "middle_time0981_res016.npy");
  EXPECT_EQ(saved[0].maps.sizes(), at::IntArrayRef({1, 16, 16, 6}));
}

}  // namespace
}  // namespace sd
