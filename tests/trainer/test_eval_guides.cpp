#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "sd/pipeline/inspect.h"
#include "trainer/eval.h"
#include "trainer/eval_guides.h"

namespace sd::train {
namespace {

const std::filesystem::path kRoot(SD_SOURCE_DIR);

/// Four boxes: one was right, three are; a kind was missed and one lost. Two pairs, one mended.
GuideReport small_report() {
  GuideReport report;
  auto& boxes = report.boxes;
  boxes.plain = {1, 4};
  boxes.guided = {3, 4};
  boxes.kinds_plain = {3, 4};
  boxes.kinds_guided = {3, 4};
  for (const double iou : {0.2, 0.4, 0.4, 0.6}) boxes.iou_plain.add(iou);
  for (const double iou : {0.5, 0.7, 0.7, 0.9}) boxes.iou_guided.add(iou);
  for (const double gain : {0.0, 1.0, 1.0, 0.0}) boxes.gain.add(gain);
  for (const double gain : {-1.0, 0.0, 0.0, 1.0}) boxes.kinds_gain.add(gain);
  for (int i = 0; i < 4; ++i) boxes.iou_gain.add(0.3);
  boxes.time = {0.5, 1.25};
  report.singles = {{"a cat", false, true, 0.4, 0.7}};
  auto& excite = report.excite;
  excite.plain = {1, 2};
  excite.excited = {2, 2};
  for (const double gain : {0.0, 1.0}) excite.gain.add(gain);
  return report;
}

TEST(GuideReport, TellsKindsIouAndPairedGainsWithTheirErrors) {
  const auto text = markdown_of(small_report());
  const auto has = [&](const std::string& line) {
    EXPECT_NE(text.find(line), text.npos) << line << "\nis not in\n" << text;
  };
  // Shares: √(p(1 − p) / n). Gains: deviation of the differences over √n.
  has("IoU 0.6) | 25.0 ± 21.7 % (1 of 4) | 75.0 ± 21.7 % (3 of 4) | +50.0 ± 28.9 points | 0.50, "
      "1.25 |");
  has("| … the asked object, wherever | 75.0 ± 21.7 % (3 of 4) | 75.0 ± 21.7 % (3 of 4) | +0.0 ± "
      "40.8 points |");
  has("| … mean IoU | 0.400 ± 0.082 | 0.700 ± 0.082 | 0.300 ± 0.000 |");
  has("both objects of two | 50.0 ± 35.4 % (1 of 2) | 100.0 ± 0.0 % (2 of 2) | +50.0 ± 50.0 "
      "points");
}

TEST(GuideReport, JsonHasEveryColumnAndEachPrompt) {
  const auto json = nlohmann::json::parse(json_of(small_report()));
  const auto& boxes = json.at("boxes");
  EXPECT_EQ(boxes.at("kinds_guided").at("right"), 3);
  EXPECT_NEAR(boxes.at("kinds_gain").at("error"), std::sqrt(2.0 / 3 / 4), 1e-12);
  EXPECT_NEAR(boxes.at("iou_plain").at("mean"), 0.4, 1e-12);
  EXPECT_NEAR(boxes.at("iou_gain").at("mean"), 0.3, 1e-12);
  EXPECT_NEAR(boxes.at("gain").at("error"), std::sqrt(1.0 / 3 / 4), 1e-12);
  EXPECT_EQ(boxes.at("prompts").at(0).at("iou"), nlohmann::json({0.4, 0.7}));
  EXPECT_NEAR(json.at("excite").at("gain").at("mean"), 0.5, 1e-12);
}

TEST(GuideReport, LeavesOutWhatWasNotMeasured) {
  auto report = small_report();
  report.excite = {};
  EXPECT_EQ(markdown_of(report).find("Attend-and-Excite"), std::string::npos);
  report = small_report();
  report.boxes = {};
  EXPECT_EQ(markdown_of(report).find("mean IoU"), std::string::npos);
}

TEST(Guides, SkippingLeavesOutTheFirstPromptsAndChangesNoOther) {
  LoadRequest request;
  request.checkpoint = kRoot / "models/demo";
  request.config = sidecar_config(request.checkpoint);
  request.threads = 1;
  const auto model = load_model(request);
  auto classifier = load_classifier(kRoot / "tests/data/eval/classifier.safetensors");
  const SceneGenerator scenes;
  const EvalContext context{model, classifier, scenes, [](const std::string&) {}, {}, {}};
  GuideWords words;
  words.box_method = BoxMethod::kBackward;  // the one with the fewest gradients
  const auto all = measure_guides(context, {.pairs = 0, .boxes = 2, .skip = 0}, words);
  const auto rest = measure_guides(context, {.pairs = 0, .boxes = 1, .skip = 1}, words);
  ASSERT_EQ(all.singles.size(), 2U);
  ASSERT_EQ(rest.singles.size(), 1U);
  EXPECT_TRUE(rest.pairs.empty());
  EXPECT_NE(all.singles[0].prompt, all.singles[1].prompt);
  EXPECT_EQ(rest.singles[0].prompt, all.singles[1].prompt);
  EXPECT_EQ(rest.singles[0].iou_plain, all.singles[1].iou_plain);
  EXPECT_EQ(rest.singles[0].iou_guided, all.singles[1].iou_guided);
  EXPECT_EQ(rest.boxed[0].picture.pixels, all.boxed[1].picture.pixels);
  EXPECT_EQ(rest.boxes.iou_gain.value(), rest.singles[0].iou_guided - rest.singles[0].iou_plain);
}

}  // namespace
}  // namespace sd::train
