#include "trainer/eval_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace sd::train {
namespace {

using Json = nlohmann::ordered_json;

// What the demo model is to reach.
constexpr double kObjects = 80, kBackgrounds = 95, kTints = 80, kBoth = 50, kPlace = 75;
constexpr double kAttention = 0.75, kSwap = 75, kClassifier = 97;

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string row(const std::string& what, const std::string& value, const std::string& target,
                const std::string& of) {
  return fmt::format("| {} | {} | {} | {} |\n", what, value, target, of);
}

std::string row(const std::string& what, const Share& share, double target) {
  return row(what, percent(share.value()), target > 0 ? fmt::format("{:.0f} %", target) : "",
             fmt::format("{} of {}", share.right, share.of));
}

std::string row(const std::string& what, const WordIou& iou, double target) {
  return row(what, fmt::format("{:.3f}", iou.map), target > 0 ? fmt::format("{:.2f}", target) : "",
             fmt::format("{} words; centred disc {:.3f}", iou.words, iou.disc));
}

std::string picture_rows(const PictureScores& scores) {
  return row("object right", scores.objects, kObjects) +
         row("object right, one object asked for", scores.single, 0) +
         row("background colour right", scores.backgrounds, kBackgrounds) +
         row("tint right", scores.tints, kTints) + row("both objects of two", scores.both, kBoth) +
         row("place right among those", scores.place, kPlace) +
         row("everything right", scores.all_right, 0);
}

std::string attention_rows(const AttentionScores& scores) {
  return row("attention IoU, object words", scores.all_objects, kAttention) +
         row("attention IoU, tint words", scores.all_tints, kAttention) +
         row("… object words, one object", scores.objects, kAttention) +
         row("… tint words, one object", scores.tints, kAttention) +
         row("… object words, two objects", scores.pair_objects, 0) +
         row("… tint words, two objects", scores.pair_tints, 0);
}

std::string swap_rows(const SwapScores& scores, bool controlled) {
  return row("swap " + scores.drawer, percent(scores.both),
             controlled ? fmt::format("{:.0f} %", kSwap) : "",
             fmt::format("{} pairs; background kept {} (mean error {:.1f}), new object {}, in "
                         "place {} (mean box IoU {:.2f})",
                         scores.pairs, percent(scores.keeps_background), scores.background,
                         percent(scores.renamed), percent(scores.in_place), scores.iou));
}

Json json_of(const Share& share) {
  return {{"right", share.right}, {"of", share.of}, {"share", share.value()}};
}

Json json_of(const WordIou& iou) {
  return {{"words", iou.words}, {"iou", iou.map}, {"centred_disc", iou.disc}};
}

Json json_of(const ClassifierAccuracy& accuracy) {
  return {{"scenes", accuracy.scenes},
          {"objects", accuracy.objects},
          {"single", accuracy.single},
          {"both", accuracy.both},
          {"tints", accuracy.tints},
          {"named_tints", accuracy.named_tints},
          {"backgrounds", accuracy.backgrounds},
          {"exact", accuracy.exact},
          {"box_iou", accuracy.box_iou}};
}

Json json_of(const FoundObject& found) {
  const auto& box = found.box;
  return {
      {"kind", object_kinds()[static_cast<std::size_t>(found.kind)].name},
      {"tint", found.tint == kAbsent ? Json(nullptr)
                                     : Json(tints()[static_cast<std::size_t>(found.tint)].name)},
      {"box", {box.left, box.top, box.right, box.bottom}},
      {"confidence", found.confidence}};
}

Json json_of(const DrawnPrompt& drawn) {
  Json objects = Json::array();
  for (const auto& object : drawn.reading.objects) objects.push_back(json_of(object));
  const auto& judgement = drawn.judgement;
  return {{"prompt", drawn.prompt},
          {"found", objects},
          {"background", backgrounds()[static_cast<std::size_t>(drawn.reading.background)].name},
          {"objects_right", judgement.objects_right},
          {"tints_right", judgement.tints_right},
          {"background_right", judgement.background},
          {"place_right", judgement.place},
          {"all_right", judgement.all_right()}};
}

Json json_of(const SwapScores& scores) {
  return {{"drawer", scores.drawer},
          {"pairs", scores.pairs},
          {"both", scores.both},
          {"keeps_background", scores.keeps_background},
          {"background_error", scores.background},
          {"renamed", scores.renamed},
          {"in_place", scores.in_place},
          {"box_iou", scores.iou}};
}

}  // namespace

std::string markdown_of(const EvalReport& report) {
  auto text = fmt::format(
      "# {}\n\n{} prompts that training never saw as a whole, {} kinds of object, guidance {}, {} "
      "DDIM steps; {:.0f} s in all.\n\n| measure | result | target | of |\n|---|---|---|---|\n",
      report.model, report.drawn.size(), report.kinds, kEvalGuidance, kEvalSteps, report.seconds);
  text += picture_rows(report.pictures) + attention_rows(report.attention);
  for (const auto& swap : report.swaps) text += swap_rows(swap, swap.drawer != "without control");
  text += row("classifier, objects", percent(report.classifier.objects),
              fmt::format("{:.0f} %", kClassifier),
              fmt::format("of {} unseen composed scenes; tints {}, backgrounds {}",
                          report.classifier.scenes, percent(report.classifier.tints),
                          percent(report.classifier.backgrounds)));
  text +=
      row("… after the model's autoencoder", percent(report.coded.objects), "",
          fmt::format("of {} unseen composed scenes; tints {}, backgrounds {}", report.coded.scenes,
                      percent(report.coded.tints), percent(report.coded.backgrounds)));
  return text;
}

std::string json_of(const EvalReport& report) {
  Json json = {{"model", report.model},
               {"kinds", report.kinds},
               {"guidance", kEvalGuidance},
               {"steps", kEvalSteps},
               {"seconds", report.seconds}};
  const auto& scores = report.pictures;
  json["pictures"] = {{"objects", json_of(scores.objects)},
                      {"single", json_of(scores.single)},
                      {"backgrounds", json_of(scores.backgrounds)},
                      {"tints", json_of(scores.tints)},
                      {"both", json_of(scores.both)},
                      {"place", json_of(scores.place)},
                      {"all_right", json_of(scores.all_right)}};
  const auto& attention = report.attention;
  json["attention"] = {{"scenes", attention.scenes},
                       {"objects", json_of(attention.all_objects)},
                       {"tints", json_of(attention.all_tints)},
                       {"single_objects", json_of(attention.objects)},
                       {"single_tints", json_of(attention.tints)},
                       {"pair_objects", json_of(attention.pair_objects)},
                       {"pair_tints", json_of(attention.pair_tints)}};
  json["swap"] = Json::array();
  for (const auto& swap : report.swaps) json["swap"].push_back(json_of(swap));
  json["classifier"] = json_of(report.classifier);
  json["classifier_after_autoencoder"] = json_of(report.coded);
  json["prompts"] = Json::array();
  for (const auto& drawn : report.drawn) json["prompts"].push_back(json_of(drawn));
  return json.dump(1) + "\n";
}

}  // namespace sd::train
