#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sd/pipeline/inspect.h"
#include "support/temp_folder.h"
#include "trainer/eval.h"

namespace sd::train {
namespace {

const std::filesystem::path kRoot(SD_SOURCE_DIR);

/// Attention of 1 on token `token` in `pixel`, elsewhere 0: [1, heads, Q, K].
torch::Tensor one_hot_attention(int64_t side, int64_t pixel, int64_t token) {
  auto probs = at::zeros({1, 2, side * side, 3});
  probs.select(2, pixel).select(2, token).fill_(1);
  return probs;
}

TEST(WordMapSums, MeansOverHeadsLayersAndBothSizes) {
  WordMapSums sums(4);
  const StepInfo step;
  const RowGroup group{RowGroup::Branch::kTarget, true, 0, 1};
  const std::vector<RowGroup> rows = {group};
  const AttentionSite cross, self{AttentionKind::kSelf, UNetPart::kDown, 0, 0};
  const AttentionCall full{cross, step, rows, 4, 4}, half{cross, step, rows, 2, 2},
      quarter{cross, step, rows, 1, 1}, own{self, step, rows, 4, 4};
  EXPECT_EQ(sums.use(full), AttentionUse::kObserve);
  EXPECT_EQ(sums.use(half), AttentionUse::kObserve);
  EXPECT_EQ(sums.use(quarter), AttentionUse::kNone);
  EXPECT_EQ(sums.use(own), AttentionUse::kNone);
  sums.observe(one_hot_attention(4, 5, 1), group, full);
  sums.observe(one_hot_attention(4, 5, 1), group, full);
  const auto map = sums.mean();
  ASSERT_EQ(map.sizes(), at::IntArrayRef({1, 3, 4, 4}));
  EXPECT_FLOAT_EQ(map[0][1][1][1].item<float>(), 1);
  EXPECT_FLOAT_EQ(map[0][1].sum().item<float>(), 1);
  sums.observe(one_hot_attention(2, 0, 2), group, half);
  EXPECT_FLOAT_EQ(sums.mean()[0][1][1][1].item<float>(), 2.0f / 3);
  EXPECT_GT(sums.mean()[0][2][0][0].item<float>(), sums.mean()[0][2][3][3].item<float>());
}

TEST(JudgeSwap, WantsTheNewObjectInTheOldOnesPlaceOnTheSameGround) {
  const SceneSpec cat{{{0, kAbsent}}, 0, Gradient::kPlain, Place::kNone, {}};
  auto dog = cat;
  dog.objects[0].kind = 1;
  const auto reading = [](int kind, PixelBox box) {
    FoundObject object;
    object.kind = kind;
    object.box = box;
    return PictureReading{{object}, 0};
  };
  const Image white{128, 128, 3, std::vector<uint8_t>(std::size_t{128} * 128 * 3, 250)};
  const auto was = reading(0, {20, 20, 80, 80});
  const auto good = judge_swap({cat, dog}, white, was, white, reading(1, {22, 20, 82, 80}));
  EXPECT_TRUE(good.in_place());
  EXPECT_TRUE(good.keeps_background());
  EXPECT_FALSE(
      judge_swap({cat, dog}, white, was, white, reading(1, {60, 60, 120, 120})).in_place());
  EXPECT_FALSE(judge_swap({cat, dog}, white, was, white, reading(0, {20, 20, 80, 80})).in_place());
  EXPECT_FALSE(judge_swap({cat, dog}, white, was, white, {}).in_place());
  const Image dark{128, 128, 3, std::vector<uint8_t>(std::size_t{128} * 128 * 3, 200)};
  EXPECT_FALSE(judge_swap({cat, dog}, white, was, dark, was).keeps_background());
}

TEST(Evaluation, OfTheDemoModelRunsFromEndToEnd) {
  LoadRequest request;
  request.checkpoint = kRoot / "models/demo";
  request.config = sidecar_config(request.checkpoint);
  request.threads = 1;
  const auto model = load_model(request);
  auto classifier = load_classifier(kRoot / "tests/data/eval/classifier.safetensors");
  const SceneGenerator scenes;
  const EvalContext context{model, classifier, scenes, [](const std::string&) {}, {}, {}};
  EvalSizes sizes;
  sizes.prompts = 3;
  sizes.scenes = sizes.pairs = 1;
  sizes.classifier_scenes = sizes.coded_scenes = 4;
  std::vector<std::unique_ptr<SwapDrawer>> drawers;
  drawers.push_back(make_uncontrolled_swap());
  const test::TempFolder folder;
  const auto report = evaluate(context, "demo", sizes, drawers, folder / "out");
  EXPECT_EQ(report.drawn.size(), 3u);
  EXPECT_EQ(report.pictures.backgrounds.of, 3);
  EXPECT_GT(report.attention.all_objects.words, 0);
  EXPECT_EQ(report.swaps.at(0).pairs, 1);
  for (const auto* name : {"report.md", "report.json", "sheet.png", "swap-0.png"}) {
    EXPECT_TRUE(std::filesystem::exists(folder / "out" / name)) << name;
  }
  const auto json = nlohmann::json::parse(test::read_text(folder / "out" / "report.json"));
  EXPECT_EQ(json["prompts"].size(), 3u);
  EXPECT_NE(test::read_text(folder / "out" / "report.md").find("| object right |"),
            std::string::npos);
}

}  // namespace
}  // namespace sd::train
