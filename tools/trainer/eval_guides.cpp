#include "trainer/eval_guides.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "sd/core/noise_source.h"
#include "sd/pipeline/txt2img.h"
#include "sd/pipeline/word_guides.h"
#include "sd/text/prompt_reader.h"
#include "trainer/eval_metrics.h"
#include "trainer/eval_prompts.h"
#include "trainer/scene_random.h"

namespace sd::train {
namespace {

constexpr uint64_t kBoxSeed = 0xb0c5;
constexpr double kInBox = 0.6;
constexpr double kLeastBox = 56.0 / kSceneSide, kMostBox = 104.0 / kSceneSide;  // as scenes have

std::string word_of(const SceneSpec& spec, std::size_t object) {
  return std::string(object_kinds()[static_cast<std::size_t>(spec.objects[object].kind)].name);
}

/// The first `n` evaluation prompts with so many objects.
std::vector<SceneSpec> prompts_with(const EvalContext& context, std::size_t objects, int64_t n) {
  constexpr int64_t kShare = 3;  // at least one in three has one or two objects
  auto all = evaluation_prompts(context.scenes, kShare * n, context.kinds);
  std::erase_if(all, [&](const SceneSpec& spec) { return spec.objects.size() != objects; });
  all.resize(std::min(all.size(), static_cast<std::size_t>(n)));
  return all;
}

ShareBox box_for(int64_t i) {
  SceneRandom random(kBoxSeed, static_cast<uint64_t>(i));
  const double side = random.between(kLeastBox, kMostBox);
  const double left = random.between(0.0, 1 - side), top = random.between(0.0, 1 - side);
  return {left, top, left + side, top + side};
}

struct Drawn {
  std::vector<DrawnPrompt> pictures;
  double seconds = 0;  // a picture
};

/// Draws prompts one at a time, each with words of its own; `words_of` null: unguided.
Drawn draw(const EvalContext& context, const std::vector<SceneSpec>& specs,
           const std::function<GuideWords(std::size_t)>& words_of) {
  Drawn drawn;
  const auto& config = context.model.config;
  const PromptReader reader(context.model.tokenizer, PromptSyntax::kPlain, kEvalSteps);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    check_stop(context);
    const auto prompt = caption_of(specs[i]).text;
    Txt2ImgRequest request;
    request.prompts = {prompt};
    request.width = request.height = config.default_pixels();
    request.steps = kEvalSteps;
    request.guidance_scale = kEvalGuidance;
    request.start_latents = eval_start(context.model, static_cast<int64_t>(i), 1);
    if (words_of) {
      request.guides = make_word_guides(words_of(i), {{{prompt}, {}}}, reader, config,
                                        config.default_pixels() / config.vae.factor());
    }
    SeededNoise unused(0, RngChoice::kCpu, torch::kCPU);  // DDIM with eta 0 draws none
    const auto began = std::chrono::steady_clock::now();
    auto result = txt2img(context.model, request, unused);
    drawn.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    const auto reading = read(context.classifier, result.pictures.front());
    drawn.pictures.push_back(
        {specs[i], prompt, std::move(result.pictures.front()), reading, judge(specs[i], reading)});
    if ((i + 1) % 10 == 0) {
      context.say(
          fmt::format("{} pictures: {} of {}", words_of ? "guided" : "plain", i + 1, specs.size()));
    }
  }
  drawn.seconds /= static_cast<double>(std::max<std::size_t>(specs.size(), 1));
  return drawn;
}

PixelBox pixels_of(const ShareBox& box) {
  return {box.x0 * kSceneSide, box.y0 * kSceneSide, box.x1 * kSceneSide, box.y1 * kSceneSide};
}

void count_boxes(const std::vector<DrawnPrompt>& drawn, Share& inside, Share& kinds, double& mean) {
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const auto* found = find_object(drawn[i].reading, drawn[i].spec.objects[0].kind);
    const double iou =
        found == nullptr ? 0 : box_iou(found->box, pixels_of(box_for(static_cast<int64_t>(i))));
    ++inside.of;
    ++kinds.of;
    inside.right += iou >= kInBox;
    kinds.right += found != nullptr;
    mean += iou / static_cast<double>(drawn.size());
  }
}

std::string percent(const Share& share) {
  return fmt::format("{:.1f} % ({} of {})", 100 * share.value(), share.right, share.of);
}

nlohmann::ordered_json told(const Share& share) {
  return {{"right", share.right}, {"of", share.of}, {"share", share.value()}};
}

}  // namespace

GuideReport measure_guides(const EvalContext& context, const GuideSizes& sizes,
                           const GuideWords& words) {
  GuideReport report;
  if (sizes.pairs > 0) {
    const auto pairs = prompts_with(context, 2, sizes.pairs);
    const auto plain = draw(context, pairs, {});
    auto excited = draw(context, pairs, [&](std::size_t i) {
      auto own = words;
      own.boxes.clear();
      own.excite = {word_of(pairs[i], 0), word_of(pairs[i], 1)};
      return own;
    });
    report.excite = {
        score(plain.pictures).both, score(excited.pictures).both, {plain.seconds, excited.seconds}};
    report.excited = std::move(excited.pictures);
  }
  if (sizes.boxes > 0) {
    const auto single = prompts_with(context, 1, sizes.boxes);
    const auto plain = draw(context, single, {});
    auto boxed = draw(context, single, [&](std::size_t i) {
      auto own = words;
      own.excite.clear();
      own.boxes = {{word_of(single[i], 0), box_for(static_cast<int64_t>(i))}};
      return own;
    });
    auto& scores = report.boxes;
    count_boxes(plain.pictures, scores.plain, scores.kinds_plain, scores.iou_plain);
    count_boxes(boxed.pictures, scores.guided, scores.kinds_guided, scores.iou_guided);
    scores.time = {plain.seconds, boxed.seconds};
    report.boxed = std::move(boxed.pictures);
  }
  return report;
}

std::string markdown_of(const GuideReport& report) {
  const auto& [excite, boxes, excited, boxed] = report;
  std::string text = "| measure | without | with | seconds a picture |\n|---|---|---|---|\n";
  const auto row = [&](std::string_view what, const std::string& plain, const std::string& guided,
                       const GuideTime& time) {
    text += fmt::format("| {} | {} | {} | {:.2f}, {:.2f} |\n", what, plain, guided, time.plain,
                        time.guided);
  };
  if (excite.plain.of > 0) {
    row("Attend-and-Excite: both objects of two", percent(excite.plain), percent(excite.excited),
        excite.time);
  }
  if (boxes.plain.of > 0) {
    row("box guidance: the object in its box (IoU 0.6)", percent(boxes.plain),
        percent(boxes.guided), boxes.time);
    row("… the asked object, wherever", percent(boxes.kinds_plain), percent(boxes.kinds_guided),
        boxes.time);
    row("… mean IoU", fmt::format("{:.3f}", boxes.iou_plain),
        fmt::format("{:.3f}", boxes.iou_guided), boxes.time);
  }
  return text;
}

std::string json_of(const GuideReport& report) {
  const auto& [excite, boxes, excited, boxed] = report;
  nlohmann::ordered_json json;
  json["excite"] = {{"plain", told(excite.plain)},
                    {"excited", told(excite.excited)},
                    {"seconds", {excite.time.plain, excite.time.guided}}};
  json["boxes"] = {{"plain", told(boxes.plain)},
                   {"guided", told(boxes.guided)},
                   {"kinds_plain", told(boxes.kinds_plain)},
                   {"kinds_guided", told(boxes.kinds_guided)},
                   {"iou", {boxes.iou_plain, boxes.iou_guided}},
                   {"seconds", {boxes.time.plain, boxes.time.guided}}};
  return json.dump(1) + "\n";
}

}  // namespace sd::train
