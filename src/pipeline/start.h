#pragma once

#include "pipeline/batch_rows.h"
#include "pipeline/sampling_plan.h"
#include "sd/image/fit.h"

namespace sd {

/// Where a batch starts.
struct Start {
  SamplingPlan plan;      // what is to run; nothing at strength 0
  torch::Tensor latents;  // [B,4,h,w]: the start, or x0 itself where nothing is to run
  torch::Tensor x0;       // [N,4,h,w]: the input picture; undefined without one
  torch::Tensor mask;     // [1 or N,1,h,w]: where x0 is put back; undefined where it is not
  bool graded = false;    // the mask says how much each pixel may change
  torch::Tensor extra;    // [1 or N,C,h,w]: see picture_channels
};

/// The batch's size in pixels: the input picture's, else what was asked for, else the model's own.
Size size_of(const LoadedModel& model, const DrawRequest& request);

/// Throws UsageError for sides that the model cannot have.
void check_sides(const LoadedModel& model, int64_t width, int64_t height);

/// ᾱ of the model's timesteps.
NoiseSchedule noise_schedule(const ModelConfig& config, const DrawSettings& settings);

/// Checks sizes, encodes the input picture if there is one, and draws the start or its noise.
/// Errors as `draw`.
Start make_start(const LoadedModel& model, const DrawRequest& request, const BatchRows& rows,
                 NoiseSource& noise);

}  // namespace sd
