#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sd/core/noise_source.h"
#include "sd/diffusion/samplers.h"
#include "sd/image/image.h"
#include "sd/nn/attention_controller.h"
#include "sd/pipeline/load.h"
#include "sd/pipeline/progress.h"

namespace sd {

enum class SamplerKind { kDdim, kPlms };

/// One batch: as many pictures as prompts.
struct Txt2ImgRequest {
  std::vector<std::string> prompts;
  std::string negative_prompt;
  int64_t width = 512;  // pixels, a multiple of 64
  int64_t height = 512;
  int64_t steps = 50;
  double guidance_scale = 7.5;
  double eta = 0.0;
  SamplerKind sampler = SamplerKind::kDdim;
  /// Start [N,4,h,w] float32; drawn from `noise` when absent.
  std::optional<torch::Tensor> start_latents;
  /// Also decode the pictures (off: latents only).
  bool decode = true;
  /// Sees, and may change, attention; null leaves the fused kernels alone.
  AttentionController* controller = nullptr;
  /// Called after every sampler step; false stops the run.
  std::function<bool(const StepReport&)> on_step;
  ProgressCallback on_progress;
};

/// Where the time of one batch went, in seconds.
struct Txt2ImgTiming {
  double sample = 0;  // the sampler, text encoder included
  double decode = 0;
  int64_t unet_calls = 0;
};

struct Txt2ImgResult {
  torch::Tensor latents;        // [N,4,h,w] float32 on the CPU, as the sampler left them
  std::vector<Image> pictures;  // N RGB pictures, empty when decode is off
  Txt2ImgTiming timing;
};

/// Draws one batch. Throws UsageError (sizes, steps, eta), Cancelled, OutOfMemory, Error (NaN or
/// infinity, naming the stage).
Txt2ImgResult txt2img(const LoadedModel& model, const Txt2ImgRequest& request, NoiseSource& noise);

}  // namespace sd
