#include "trainer/eval_pictures.h"

#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/encode.h"
#include "sd/core/error.h"
#include "sd/core/noise_source.h"
#include "sd/image/label.h"
#include "sd/image/resize.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/txt2img.h"
#include "trainer/picture_batches.h"

namespace sd::train {
namespace {

constexpr uint64_t kStartSeed = 1'000'000;
constexpr uint64_t kCodedSeed = 78;
constexpr int64_t kSheetColumns = 10;
constexpr int64_t kCellSide = 176;  // so that captions fit
constexpr int64_t kFrame = 4;       // pixels of red around what is wrong

std::string_view kind_name(int kind) { return object_kinds()[static_cast<std::size_t>(kind)].name; }

std::string_view tint_name(int tint) {
  return tint == kAbsent ? "own" : tints()[static_cast<std::size_t>(tint)].name;
}

std::string_view background_name(int background) {
  return backgrounds()[static_cast<std::size_t>(background)].name;
}

std::string_view place_sign(Place place) {
  switch (place) {
    case Place::kLeftOf:
      return " < ";
    case Place::kRightOf:
      return " > ";
    case Place::kAbove:
      return " / ";
    case Place::kBelow:
      return " \\ ";
    case Place::kNone:
      break;
  }
  return "";
}

std::string words_of(const ObjectSpec& object) {
  const auto kind = kind_name(object.kind);
  return object.tint == kAbsent ? std::string(kind)
                                : fmt::format("{} {}", tint_name(object.tint), kind);
}

/// "blue cat on red", "cat < red apple on white".
std::string asked_for(const SceneSpec& spec) {
  auto text = words_of(spec.objects[0]);
  if (spec.objects.size() > 1)
    text += fmt::format("{}{}", place_sign(spec.place), words_of(spec.objects[1]));
  return fmt::format("{} on {}", text, background_name(spec.background));
}

/// "cat: fox", "red: own colours": the first thing that is wrong, and what was seen instead.
std::string wrong_with(const DrawnPrompt& drawn) {
  const auto& [spec, prompt, picture, reading, judgement] = drawn;
  std::string seen;
  for (const auto& object : reading.objects) {
    seen += fmt::format("{}{}", seen.empty() ? "" : "+", kind_name(object.kind));
  }
  if (judgement.objects_right < judgement.objects)
    return fmt::format("saw {}", seen.empty() ? "nothing" : seen);
  if (judgement.tints_right < judgement.tints) {
    for (const auto& object : spec.objects) {
      const auto* found = find_object(reading, object.kind);
      if (object.tint != kAbsent && found != nullptr && found->tint != object.tint) {
        return fmt::format("saw {} {}", tint_name(found->tint), kind_name(object.kind));
      }
    }
  }
  if (!judgement.background) return fmt::format("saw on {}", background_name(reading.background));
  return judgement.all_right() ? "" : "wrong place";
}

void frame_in_red(Image& picture) {
  for (int64_t y = 0; y < picture.height; ++y) {
    for (int64_t x = 0; x < picture.width; ++x) {
      const bool edge = std::min({x, y, picture.width - 1 - x, picture.height - 1 - y}) < kFrame;
      if (!edge) continue;
      auto* pixel = picture.pixels.data() + 3 * (y * picture.width + x);
      pixel[0] = 230;
      pixel[1] = pixel[2] = 0;
    }
  }
}

}  // namespace

torch::Tensor eval_start(const LoadedModel& model, int64_t begin, int64_t count) {
  const auto& config = model.config;
  std::vector<torch::Tensor> rows;
  for (int64_t i = begin; i < begin + count; ++i) {
    SeededNoise noise(kStartSeed + static_cast<uint64_t>(i), RngChoice::kCpu, torch::kCPU);
    rows.push_back(noise.randn({1, config.unet.in_channels, config.image_size, config.image_size}));
  }
  return at::cat(rows);
}

void check_stop(const EvalContext& context) {
  if (context.stop_requested && context.stop_requested()) throw Cancelled();
}

std::vector<DrawnPrompt> draw_prompts(const EvalContext& context,
                                      const std::vector<SceneSpec>& specs) {
  std::vector<DrawnPrompt> drawn;
  const auto total = static_cast<int64_t>(specs.size());
  for (int64_t begin = 0; begin < total; begin += kEvalBatch) {
    check_stop(context);
    const int64_t count = std::min(kEvalBatch, total - begin);
    Txt2ImgRequest request;
    for (int64_t i = begin; i < begin + count; ++i) {
      request.prompts.push_back(caption_of(specs[static_cast<std::size_t>(i)]).text);
    }
    request.width = request.height = context.model.config.default_pixels();
    request.steps = kEvalSteps;
    request.guidance_scale = kEvalGuidance;
    request.start_latents = eval_start(context.model, begin, count);
    SeededNoise unused(0, RngChoice::kCpu, torch::kCPU);  // DDIM with eta 0 draws none
    auto result = txt2img(context.model, request, unused);
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto& spec = specs[static_cast<std::size_t>(begin + i)];
      const auto reading = read(context.classifier, result.pictures[at]);
      drawn.push_back({spec, request.prompts[at], std::move(result.pictures[at]), reading,
                       judge(spec, reading)});
    }
    context.say(fmt::format("pictures: {} of {}", begin + count, total));
  }
  return drawn;
}

PictureScores score(const std::vector<DrawnPrompt>& drawn) {
  PictureScores scores;
  const auto count = [](Share& share, int64_t right, int64_t of) {
    share.right += right;
    share.of += of;
  };
  for (const auto& item : drawn) {
    const auto& judgement = item.judgement;
    const bool pair = judgement.objects == 2;
    count(scores.objects, judgement.objects_right, judgement.objects);
    count(scores.tints, judgement.tints_right, judgement.tints);
    count(scores.backgrounds, judgement.background, 1);
    count(scores.all_right, judgement.all_right(), 1);
    if (pair) {
      count(scores.both, judgement.both, 1);
    } else {
      count(scores.single, judgement.objects_right, 1);
    }
    if (judgement.both) count(scores.place, judgement.place, 1);
  }
  return scores;
}

ClassifierAccuracy measure_coded(const EvalContext& context, int64_t n) {
  const auto through_autoencoder = [&](Image picture) {
    const c10::InferenceMode inference;
    const auto& model = context.model;
    const auto x = to_tensor({&picture}).to(torch::Device(model.device), model.compute_dtype);
    const auto latents = model.model->vae->encode(x).mean * model.config.scale_factor;
    return std::move(decode_latents(model, latents, {}).front());
  };
  return measure_classifier(context.classifier, context.scenes, n, kCodedSeed, through_autoencoder);
}

Image contact_sheet(const std::vector<DrawnPrompt>& drawn, std::size_t most) {
  std::vector<LabelledImage> cells;
  for (const auto& item : drawn) {
    if (cells.size() == most) break;
    auto picture = resize(item.picture, kCellSide, kCellSide, Filter::kBilinear);
    const bool right = item.judgement.all_right();
    if (!right) frame_in_red(picture);
    const auto asked = asked_for(item.spec);
    cells.push_back(
        {std::move(picture), right ? asked : fmt::format("{}\n{}", asked, wrong_with(item))});
  }
  return labelled_sheet(cells, kSheetColumns);
}

}  // namespace sd::train
