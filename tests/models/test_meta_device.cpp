// A CPU tensor that slips into work on a GPU is an error there; LibTorch's meta device shows the
// same mistake without a GPU: everything here runs on shapes alone, and one tensor made on the
// wrong device throws.
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

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
      7.5);
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
