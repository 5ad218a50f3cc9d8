#include "trainer/eval_guides.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
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
constexpr int64_t kVisible = 127;                                               // alpha, of 255

std::string word_of(const SceneSpec& spec, std::size_t object) {
  return std::string(object_kinds()[static_cast<std::size_t>(spec.objects[object].kind)].name);
}

/// With its tint, as the prompt names it: what is boxed by its kind alone leaves the tint's word
/// free to draw something of its colour elsewhere.
std::string phrase_of(const SceneSpec& spec, std::size_t object) {
  const int tint = spec.objects[object].tint;
  if (tint == kAbsent) return word_of(spec, object);
  return fmt::format("{} {}", tints()[static_cast<std::size_t>(tint)].name, word_of(spec, object));
}

/// Prompts with so many objects: of the evaluation's, `n` after the first `skip`.
std::vector<SceneSpec> prompts_with(const EvalContext& context, std::size_t objects, int64_t n,
                                    int64_t skip) {
  constexpr int64_t kShare = 3;  // at least one in three has one or two objects
  auto all = evaluation_prompts(context.scenes, kShare * (skip + n), context.kinds);
  std::erase_if(all, [&](const SceneSpec& spec) { return spec.objects.size() != objects; });
  all.resize(std::min(all.size(), static_cast<std::size_t>(skip + n)));
  all.erase(all.begin(), all.begin() + std::min(skip, std::ssize(all)));
  return all;
}

/// A square of a size that scenes have, anywhere in the picture.
ShareBox square_for(int64_t i) {
  SceneRandom random(kBoxSeed, static_cast<uint64_t>(i));
  const double side = random.between(kLeastBox, kMostBox);
  const double left = random.between(0.0, 1 - side), top = random.between(0.0, 1 - side);
  return {left, top, left + side, top + side};
}

/// The part of prompt i's square that its object covers in a scene: some are half as wide as high.
ShareBox box_for(const EvalContext& context, const SceneSpec& spec, int64_t i) {
  const auto scene = context.scenes.compose(spec, 0);
  const auto& object = scene.objects.front();
  const auto seen = box_of(object.mask, kSceneSide, kVisible);
  const auto [left, top, right, bottom] = square_for(i);
  const double x = object.x - object.size / 2, y = object.y - object.size / 2;
  const double scale = (right - left) / object.size;
  return {left + (seen.left - x) * scale, top + (seen.top - y) * scale,
          std::min(left + (seen.right - x) * scale, 1.0),
          std::min(top + (seen.bottom - y) * scale, 1.0)};
}

struct Drawn {
  std::vector<DrawnPrompt> pictures;
  double seconds = 0;  // a picture
};

/// Draws prompts one at a time, each with words of its own; `words_of` null: unguided. Starts are
/// those of prompts `first` and on.
Drawn draw(const EvalContext& context, const std::vector<SceneSpec>& specs, int64_t first,
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
    request.start_latents = eval_start(context.model, first + static_cast<int64_t>(i), 1);
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

/// Of the asked object with its box; 0 where it is not there.
double iou_of(const DrawnPrompt& drawn, const ShareBox& box) {
  const auto* found = find_object(drawn.reading, drawn.spec.objects[0].kind);
  return found == nullptr ? 0 : box_iou(found->box, pixels_of(box));
}

bool is_there(const DrawnPrompt& drawn) {
  return find_object(drawn.reading, drawn.spec.objects[0].kind) != nullptr;
}

void count(Share& share, bool right) {
  ++share.of;
  share.right += right;
}

double gain(bool plain, bool guided) { return static_cast<double>(guided) - plain; }

std::vector<GuidedPrompt> count_pairs(const std::vector<DrawnPrompt>& plain,
                                      const std::vector<DrawnPrompt>& guided,
                                      ExciteScores& scores) {
  std::vector<GuidedPrompt> prompts;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const bool before = plain[i].judgement.both, after = guided[i].judgement.both;
    count(scores.plain, before);
    count(scores.excited, after);
    scores.gain.add(gain(before, after));
    prompts.push_back({plain[i].prompt, before, after, 0, 0});
  }
  return prompts;
}

std::vector<GuidedPrompt> count_boxes(const EvalContext& context,
                                      const std::vector<DrawnPrompt>& plain,
                                      const std::vector<DrawnPrompt>& guided, int64_t first,
                                      BoxScores& scores) {
  std::vector<GuidedPrompt> prompts;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto box = box_for(context, plain[i].spec, first + static_cast<int64_t>(i));
    const double before = iou_of(plain[i], box), after = iou_of(guided[i], box);
    const bool kind_before = is_there(plain[i]), kind_after = is_there(guided[i]);
    count(scores.plain, before >= kInBox);
    count(scores.guided, after >= kInBox);
    count(scores.kinds_plain, kind_before);
    count(scores.kinds_guided, kind_after);
    scores.iou_plain.add(before);
    scores.iou_guided.add(after);
    scores.gain.add(gain(before >= kInBox, after >= kInBox));
    scores.kinds_gain.add(gain(kind_before, kind_after));
    scores.iou_gain.add(after - before);
    prompts.push_back({plain[i].prompt, before >= kInBox, after >= kInBox, before, after});
  }
  return prompts;
}

/// Of a share, binomial.
double error_of(const Share& share) {
  const double p = share.value();
  return share.of > 0 ? std::sqrt(p * (1 - p) / static_cast<double>(share.of)) : 0;
}

std::string percent(const Share& share) {
  return fmt::format("{:.1f} ± {:.1f} % ({} of {})", 100 * share.value(), 100 * error_of(share),
                     share.right, share.of);
}

std::string points(const Mean& gain) {
  return fmt::format("{:+.1f} ± {:.1f} points", 100 * gain.value(), 100 * gain.error());
}

nlohmann::ordered_json told(const Share& share) {
  return {{"right", share.right},
          {"of", share.of},
          {"share", share.value()},
          {"error", error_of(share)}};
}

nlohmann::ordered_json told(const Mean& mean) {
  return {{"mean", mean.value()}, {"error", mean.error()}};
}

nlohmann::ordered_json told(const std::vector<GuidedPrompt>& prompts) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& [prompt, plain, guided, iou_plain, iou_guided] : prompts) {
    list.push_back({{"prompt", prompt},
                    {"plain", plain},
                    {"guided", guided},
                    {"iou", {iou_plain, iou_guided}}});
  }
  return list;
}

}  // namespace

GuideReport measure_guides(const EvalContext& context, const GuideSizes& sizes,
                           const GuideWords& words) {
  GuideReport report;
  if (sizes.pairs > 0) {
    const auto pairs = prompts_with(context, 2, sizes.pairs, sizes.skip);
    const auto plain = draw(context, pairs, sizes.skip, {});
    auto excited = draw(context, pairs, sizes.skip, [&](std::size_t i) {
      auto own = words;
      own.boxes.clear();
      own.excite = {word_of(pairs[i], 0), word_of(pairs[i], 1)};
      return own;
    });
    report.excite.time = {plain.seconds, excited.seconds};
    report.pairs = count_pairs(plain.pictures, excited.pictures, report.excite);
    report.excited = std::move(excited.pictures);
  }
  if (sizes.boxes > 0) {
    const auto single = prompts_with(context, 1, sizes.boxes, sizes.skip);
    const auto plain = draw(context, single, sizes.skip, {});
    auto boxed = draw(context, single, sizes.skip, [&](std::size_t i) {
      auto own = words;
      own.excite.clear();
      own.boxes = {{phrase_of(single[i], 0),
                    box_for(context, single[i], sizes.skip + static_cast<int64_t>(i))}};
      return own;
    });
    report.boxes.time = {plain.seconds, boxed.seconds};
    report.singles = count_boxes(context, plain.pictures, boxed.pictures, sizes.skip, report.boxes);
    report.boxed = std::move(boxed.pictures);
  }
  return report;
}

std::string markdown_of(const GuideReport& report) {
  const auto& excite = report.excite;
  const auto& boxes = report.boxes;
  std::string text =
      "| measure | without | with | difference | seconds a picture |\n|---|---|---|---|---|\n";
  const auto row = [&](std::string_view what, const std::string& plain, const std::string& guided,
                       const std::string& difference, const GuideTime& time) {
    text += fmt::format("| {} | {} | {} | {} | {:.2f}, {:.2f} |\n", what, plain, guided, difference,
                        time.plain, time.guided);
  };
  if (excite.plain.of > 0) {
    row("Attend-and-Excite: both objects of two", percent(excite.plain), percent(excite.excited),
        points(excite.gain), excite.time);
  }
  if (boxes.plain.of > 0) {
    const auto mean = [](const Mean& iou) {
      return fmt::format("{:.3f} ± {:.3f}", iou.value(), iou.error());
    };
    row("box guidance: the object in its box (IoU 0.6)", percent(boxes.plain),
        percent(boxes.guided), points(boxes.gain), boxes.time);
    row("… the asked object, wherever", percent(boxes.kinds_plain), percent(boxes.kinds_guided),
        points(boxes.kinds_gain), boxes.time);
    row("… mean IoU", mean(boxes.iou_plain), mean(boxes.iou_guided), mean(boxes.iou_gain),
        boxes.time);
  }
  return text;
}

std::string json_of(const GuideReport& report) {
  const auto& excite = report.excite;
  const auto& boxes = report.boxes;
  nlohmann::ordered_json json;
  json["excite"] = {{"plain", told(excite.plain)},
                    {"excited", told(excite.excited)},
                    {"gain", told(excite.gain)},
                    {"seconds", {excite.time.plain, excite.time.guided}},
                    {"prompts", told(report.pairs)}};
  json["boxes"] = {{"plain", told(boxes.plain)},
                   {"guided", told(boxes.guided)},
                   {"gain", told(boxes.gain)},
                   {"kinds_plain", told(boxes.kinds_plain)},
                   {"kinds_guided", told(boxes.kinds_guided)},
                   {"kinds_gain", told(boxes.kinds_gain)},
                   {"iou_plain", told(boxes.iou_plain)},
                   {"iou_guided", told(boxes.iou_guided)},
                   {"iou_gain", told(boxes.iou_gain)},
                   {"seconds", {boxes.time.plain, boxes.time.guided}},
                   {"prompts", told(report.singles)}};
  return json.dump(1) + "\n";
}

}  // namespace sd::train
