#include "trainer/eval_attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "pipeline/encode.h"
#include "sd/core/noise_source.h"
#include "sd/diffusion/schedule.h"
#include "sd/image/heatmap.h"
#include "sd/models/latent_diffusion.h"
#include "trainer/eval_prompts.h"
#include "trainer/latent_cache.h"
#include "trainer/picture_batches.h"

namespace sd::train {
namespace {

constexpr int64_t kTimesteps = 8;
constexpr double kFirstTimestep = 100, kLastTimestep = 900;
constexpr uint64_t kNoiseSeed = 0xa77e;
constexpr uint64_t kSceneSeed = 0x5ce2e;

/// -distance from the middle: the largest values of it are a centred disc.
std::vector<float> centred_disc() {
  std::vector<float> map;
  for (int y = 0; y < kSceneSide; ++y) {
    for (int x = 0; x < kSceneSide; ++x) {
      map.push_back(-std::hypot(static_cast<float>(x) - (kSceneSide - 1) / 2.0f,
                                static_cast<float>(y) - (kSceneSide - 1) / 2.0f));
    }
  }
  return map;
}

/// The mean map [N,K,side,side] of scenes' captions over noised latents of the scenes.
torch::Tensor mean_maps(const EvalContext& context, const std::vector<Scene>& scenes,
                        int64_t first) {
  const auto& model = context.model;
  const auto& config = model.config;
  const auto alphas =
      NoiseSchedule::sqrt_linear(config.linear_start, config.linear_end, config.timesteps)
          .alphas_cumprod;
  std::vector<const Image*> pictures;
  std::vector<std::string> captions;
  for (const auto& scene : scenes) {
    pictures.push_back(&scene.picture);
    captions.push_back(scene.caption);
  }
  const auto device = torch::Device(model.device);
  const auto z =
      (model.model->vae->encode(to_tensor(pictures).to(device, model.compute_dtype)).mean *
       config.scale_factor)
          .to(at::kFloat);
  const auto text = encode_prompts(model, captions);
  SeededNoise noise(kNoiseSeed + static_cast<uint64_t>(first), RngChoice::kCpu, device);
  WordMapSums sums(config.image_size);
  ForwardContext run;
  run.controller = &sums;
  run.rows = {{RowGroup::Branch::kTarget, true, 0, z.size(0)}};
  run.step.num_steps = kTimesteps;
  for (int64_t i = 0; i < kTimesteps; ++i) {
    const double t = std::round(kFirstTimestep + (kLastTimestep - kFirstTimestep) *
                                                     static_cast<double>(i) / (kTimesteps - 1));
    const double alpha = alphas[static_cast<std::size_t>(t)];
    const auto x = std::sqrt(alpha) * z + std::sqrt(1 - alpha) * noise.like(z);
    run.step.step = i;
    run.step.timestep = t;
    model.model->unet->forward(x.to(model.compute_dtype), at::full({z.size(0)}, t, z.options()),
                               text, run);
  }
  return sums.mean().cpu();
}

/// Mean of a scene's maps [K,side,side] over the tokens of `group`, at the picture's resolution.
/// Empty if the caption has no such token.
std::vector<float> word_map(const torch::Tensor& maps, const std::vector<uint8_t>& groups,
                            TokenGroup group) {
  torch::Tensor sum;
  for (std::size_t k = 0; k < groups.size(); ++k) {
    if (groups[k] != static_cast<uint8_t>(group)) continue;
    const auto map = maps[static_cast<int64_t>(k)];
    sum = sum.defined() ? sum + map : map;  // its scale does not matter
  }
  if (!sum.defined()) return {};
  const auto large =
      at::upsample_bicubic2d(sum.unsqueeze(0).unsqueeze(0), {kSceneSide, kSceneSide}, false)
          .contiguous();
  const auto* first = large.const_data_ptr<float>();
  return {first, first + large.numel()};
}

void add(WordIou& iou, double map, double disc) {
  ++iou.words;
  iou.map += map;
  iou.disc += disc;
}

void finish(WordIou& iou) {
  const auto words = static_cast<double>(std::max<int64_t>(1, iou.words));
  iou.map /= words;
  iou.disc /= words;
}

void count_scene(const Scene& scene, const torch::Tensor& maps, AttentionScores& scores) {
  static const auto disc = centred_disc();
  const int64_t length = maps.size(0);
  std::vector<int32_t> ids(static_cast<std::size_t>(length));
  std::vector<uint8_t> groups(static_cast<std::size_t>(length));
  tokenize_caption(scene, length, ids.data(), groups.data());
  const bool pair = scene.objects.size() > 1;
  for (std::size_t i = 0; i < scene.objects.size(); ++i) {
    const Image mask{kSceneSide, kSceneSide, 1, scene.objects[i].mask};
    const double baseline = area_matched_iou(disc, mask);
    for (const bool tint : {false, true}) {
      const auto group = tint ? (i == 0 ? TokenGroup::kTint0 : TokenGroup::kTint1)
                              : (i == 0 ? TokenGroup::kObject0 : TokenGroup::kObject1);
      const auto map = word_map(maps, groups, group);
      if (map.empty()) continue;
      const double iou = area_matched_iou(map, mask);
      add(tint ? scores.all_tints : scores.all_objects, iou, baseline);
      auto& own = pair ? (tint ? scores.pair_tints : scores.pair_objects)
                       : (tint ? scores.tints : scores.objects);
      add(own, iou, baseline);
    }
  }
}

}  // namespace

AttentionUse WordMapSums::use(const AttentionCall& call) const {
  const bool seen =
      call.site.kind == AttentionKind::kCross && (call.height == side_ || 2 * call.height == side_);
  return seen ? AttentionUse::kObserve : AttentionUse::kNone;
}

void WordMapSums::observe(const torch::Tensor& probs, const RowGroup&, const AttentionCall& call) {
  const auto map = probs.mean(1).to(at::kFloat);  // [N,Q,K]
  auto& sum = call.height == side_ ? full_ : half_;
  sum = sum.defined() ? sum + map : map;
  ++layers_;
}

torch::Tensor WordMapSums::mean() const {
  const auto as_maps = [](const torch::Tensor& sum, int64_t side) {
    return sum.transpose(1, 2).reshape({sum.size(0), sum.size(2), side, side});
  };
  torch::Tensor total;
  if (full_.defined()) total = as_maps(full_, side_);
  if (half_.defined()) {
    const auto large = at::upsample_bicubic2d(as_maps(half_, side_ / 2), {side_, side_}, false);
    total = total.defined() ? total + large : large;
  }
  return total / static_cast<double>(layers_);
}

AttentionScores measure_attention(const EvalContext& context, int64_t n) {
  const c10::InferenceMode inference;
  AttentionScores scores;
  const auto specs = evaluation_prompts(context.scenes, n, context.kinds);
  for (int64_t begin = 0; begin < n; begin += kEvalBatch) {
    check_stop(context);
    std::vector<Scene> scenes;
    for (int64_t i = begin; i < std::min(n, begin + kEvalBatch); ++i) {
      scenes.push_back(context.scenes.compose(specs[static_cast<std::size_t>(i)],
                                              kSceneSeed + static_cast<uint64_t>(i)));
    }
    const auto maps = mean_maps(context, scenes, begin);
    for (std::size_t i = 0; i < scenes.size(); ++i) {
      count_scene(scenes[i], maps[static_cast<int64_t>(i)], scores);
    }
    context.say(
        fmt::format("attention: {} of {} scenes", begin + static_cast<int64_t>(scenes.size()), n));
  }
  scores.scenes = n;
  for (auto* iou : {&scores.objects, &scores.tints, &scores.pair_objects, &scores.pair_tints,
                    &scores.all_objects, &scores.all_tints}) {
    finish(*iou);
  }
  return scores;
}

}  // namespace sd::train
