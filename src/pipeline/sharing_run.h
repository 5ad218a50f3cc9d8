#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "pipeline/batch_rows.h"
#include "sd/core/noise_source.h"
#include "sd/nn/shared_attention.h"
#include "sd/pipeline/draw.h"
#include "sd/pipeline/row_sharing.h"

namespace sd {

/// Throws UsageError where a batch asks for rows to look at other rows and for what does not go
/// with that, or lacks what it needs.
void check_sharing(const LoadedModel& model, const DrawRequest& request);

/// Rows that look at other rows, in one batch.
class SharingRun {
 public:
  /// Encodes the picture that is looked at, if there is one.
  SharingRun(const LoadedModel& model, const DrawRequest& request);

  RowSharer* sharer() { return sharer_.get(); }

  /// Whether a step looks at a picture, which takes a call that notes its keys.
  bool refers(const StepInfo& step) const;
  /// That picture with so much of it left as a timestep has, ᾱ, as latents of all rows of one pass
  /// [R,4,h,w]. Each step of each sample has a noise of its own, by the sample's seed; an inverted
  /// picture is where its path is.
  torch::Tensor reference_at(double alpha, int64_t step);
  /// What prompt it is seen with, for as many rows as `own` [R,K,D]: those of the batch, or that of
  /// an inverted picture.
  torch::Tensor reference_context(const torch::Tensor& own);

  /// How far what a target finds in another row is pushed beyond what it finds without; 1: not at
  /// all. `guided`: whether classifier-free guidance does that.
  double guidance_at(const StepInfo& step, bool guided) const;

 private:
  std::shared_ptr<const RowSharing> sharing_;
  BatchRows rows_;
  std::shared_ptr<RowSharer> sharer_;
  torch::Device noted_device_;
  KeyNotes notes_;
  torch::Tensor context_;            // of an inverted picture, for all rows of a call
  torch::Tensor picture_;            // latents [1,4,h,w]
  std::vector<SeededNoise> noises_;  // of samples
  int64_t step_ = -1;                // of noise_
  torch::Tensor noise_;              // [N,4,h,w]
};

}  // namespace sd
