// A CPU tensor that slips into work on a GPU is an error there; LibTorch's meta device shows the
// same mistake without a GPU: everything here runs on shapes alone, and one tensor made on the
// wrong device throws.
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "sd/control/chain.h"
#include "sd/control/fork_swap.h"
#include "sd/control/local_blend.h"
#include "sd/control/map_recorder.h"
#include "sd/control/prompt_to_prompt.h"
#include "sd/control/reweight.h"
#include "sd/control/self_injection.h"
#include "sd/diffusion/samplers.h"
#include "sd/models/latent_diffusion.h"

namespace sd {
namespace {

const at::TensorOptions kMetaFloat = at::TensorOptions().device(at::kMeta).dtype(at::kFloat);

ModelConfig small_config() {
  ModelConfig config;
  config.text = {.width = 32, .layers = 2, .heads = 2, .feed_forward = 128};
  config.unet.model_channels = 32;
  config.unet.channel_mult = {1, 1, 2};
  config.unet.context_dim = 32;
  config.vae.channels = 32;
  config.vae.channel_mult = {1, 1, 2, 2};
  config.vae.num_res_blocks = 1;
  return config;
}

/// Wants every layer and returns probabilities scaled by a tensor of its own, made where the
/// probabilities are.
class Scaling final : public AttentionController {
 public:
  AttentionUse use(const AttentionCall&) const override { return AttentionUse::kChange; }
  torch::Tensor apply(torch::Tensor probs, const AttentionCall&) override {
    ++calls;
    return probs * at::ones({probs.size(3)}, probs.options());
  }
  int64_t calls = 0;
};

class MetaNoise final : public NoiseSource {
 public:
  torch::Tensor randn(at::IntArrayRef shape) override { return at::empty(shape, kMetaFloat); }
};

TEST(MetaDevice, MixingInACpuTensorIsAnError) {
  EXPECT_THROW(at::empty({2}, kMetaFloat) + at::ones({2}), c10::Error);
}

TEST(MetaDevice, AWeightLeftOnTheCpuIsAnError) {
  const c10::InferenceMode inference;
  LatentDiffusion model(small_config());
  auto slots = parameter_slots(*model->vae);
  slots.front().bind(at::ones(slots.front().shape));
  EXPECT_THROW(model->vae->encode(at::empty({1, 3, 64, 64}, kMetaFloat)), c10::Error);
}

TEST(MetaDevice, TextEncoderStaysOnItsDevice) {
  const c10::InferenceMode inference;
  LatentDiffusion model(small_config());
  const auto ids = at::empty({2, 77}, kMetaFloat.dtype(at::kLong));
  const auto context = model->text->forward(ids);
  EXPECT_TRUE(context.is_meta());
  EXPECT_EQ(context.sizes(), at::IntArrayRef({2, 77, 32}));
}

TEST(MetaDevice, UNetStaysOnItsDeviceWithAndWithoutController) {
  const c10::InferenceMode inference;
  LatentDiffusion model(small_config());
  const auto x = at::empty({2, 4, 16, 24}, kMetaFloat);
  const auto t = at::empty({2}, kMetaFloat);
  const auto context = at::empty({2, 77, 32}, kMetaFloat);
  Scaling scaling;
  for (AttentionController* controller :
       {static_cast<AttentionController*>(nullptr), static_cast<AttentionController*>(&scaling)}) {
    ForwardContext run;
    run.controller = controller;
    const auto eps = model->unet->forward(x, t, context, run);
    EXPECT_TRUE(eps.is_meta());
    EXPECT_EQ(eps.sizes(), x.sizes());
  }
  EXPECT_EQ(scaling.calls, 2 * 16);  // self and cross attention of 6 + 1 + 9 transformers
}

/// Every third token follows the source's next one, the last few share two.
WordReplacement shared_tokens() {
  WordReplacement matrix{77, std::vector<double>(77 * 77, 0.0), {}};
  for (int64_t w = 0; w < 77; ++w) {
    matrix.matrix[static_cast<std::size_t>(w * 77 + w)] = w < 70 ? 1.0 : 0.5;
    if (w >= 70) matrix.matrix[static_cast<std::size_t>(w * 77 + 76 - (w - 70))] += 0.5;
  }
  return matrix;
}

TEST(MetaDevice, EveryControlStaysOnItsDevice) {
  const c10::InferenceMode inference;
  LatentDiffusion model(small_config());
  ForkSwapOptions swap;
  swap.alignments = {TokenAlignment{std::vector<double>(77, 1.0), std::vector<int64_t>(77, 3)}};
  PromptToPromptOptions replace;
  replace.edits = {shared_tokens()};
  ReweightOptions weights;
  weights.weights = {{2, {3.0}}};
  LocalBlendOptions words;
  words.target_words = words.source_words = words.except_source = {{2, 3}};
  const auto recorder = std::make_shared<MapRecorder>(MapRecorderOptions{.timeline = 2});
  const auto blend = std::make_shared<LocalBlend>(words);
  Chain chain({std::make_shared<ForkSwap>(swap), std::make_shared<PromptToPrompt>(replace),
               std::make_shared<SelfInjection>(), std::make_shared<Reweight>(weights), recorder,
               blend});
  ForwardContext run;
  run.controller = &chain;
  run.step = {0, 1, 981, 0};
  run.rows = {{RowGroup::Branch::kTarget, false, 0, 1, 0},
              {RowGroup::Branch::kSource, false, 1, 1, 0},
              {RowGroup::Branch::kTarget, true, 2, 1, 0},
              {RowGroup::Branch::kSource, true, 3, 1, 0}};
  const auto eps =
      model->unet->forward(at::empty({4, 4, 16, 24}, kMetaFloat), at::empty({4}, kMetaFloat),
                           at::empty({4, 77, 32}, kMetaFloat), run);
  EXPECT_TRUE(eps.is_meta());
  EXPECT_TRUE(heat_maps(recorder->layers(), 16, 24).is_meta());
  const std::vector<RowGroup> latents = {{RowGroup::Branch::kTarget, true, 0, 1, 0},
                                         {RowGroup::Branch::kSource, true, 1, 1, 0}};
  EXPECT_TRUE(blend->edit(at::empty({2, 4, 16, 24}, kMetaFloat), run.step, latents).is_meta());
}

TEST(MetaDevice, AutoencoderStaysOnItsDevice) {
  const c10::InferenceMode inference;
  LatentDiffusion model(small_config());
  const auto moments = model->vae->encode(at::empty({1, 3, 128, 64}, kMetaFloat));
  EXPECT_EQ(moments.mean.sizes(), at::IntArrayRef({1, 4, 16, 8}));
  const auto picture = model->vae->decode(moments.mean);
  EXPECT_TRUE(picture.is_meta());
  EXPECT_EQ(picture.sizes(), at::IntArrayRef({1, 3, 128, 64}));
}

TEST(MetaDevice, SamplersAndGuidanceStayOnTheirDevice) {
  const c10::InferenceMode inference;
  LatentDiffusion model(small_config());
  const auto context = at::empty({4, 77, 32}, kMetaFloat);
  GuidedDenoiser denoiser(
      [&](const torch::Tensor& x, double t, int64_t) {
        const auto timesteps = at::full({x.size(0)}, t, x.options());
        return model->unet->forward(x, timesteps, context, ForwardContext{});
      },
      {{7.5}});
  MetaNoise noise;
  SampleRun run;
  run.schedule = uniform_steps(NoiseSchedule::sqrt_linear(0.00085, 0.0120, 1000), 5);
  EXPECT_TRUE(sample_plms(denoiser, at::empty({2, 4, 16, 16}, kMetaFloat), run).is_meta());
  run.eta = 1.0;
  run.noise = &noise;
  EXPECT_TRUE(sample_ddim(denoiser, at::empty({2, 4, 16, 16}, kMetaFloat), run).is_meta());
}

}  // namespace
}  // namespace sd
