#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "sd/core/model_config.h"
#include "trainer/adapter_settings.h"
#include "trainer/training_pictures.h"

namespace sd::train {

/// What one step shows a UNet and asks of it.
struct NoisyBatch {
  std::vector<int64_t> pictures;  // [R] numbers; from the first prior picture on, those of prior
  std::vector<bool> dropped;      // [R] whether the caption is left out
  torch::Tensor x;                // [R,C,h,w] float32: sqrt(ᾱ) z + sqrt(1−ᾱ) ε
  torch::Tensor t;                // [R] int64
  torch::Tensor target;           // [R,C,h,w]: ε, or v = sqrt(ᾱ) ε − sqrt(1−ᾱ) z
  torch::Tensor weight;           // [R]: how much a row's error counts
};

/// The batches of a training run. That of a step is a function of settings and step alone: all
/// random numbers are drawn on the CPU from (seed, step).
class DenoisingTask {
 public:
  /// `prior` may have no pictures; else every batch has as many of them besides.
  DenoisingTask(const ModelConfig& config, const AdapterSettings& settings,
                const TrainingPictures& pictures, const TrainingPictures& prior);

  NoisyBatch batch(int64_t step) const;

 private:
  /// The picture that is number `place` of all that are shown: every epoch is a permutation.
  int64_t shown(int64_t place, int64_t pictures, uint64_t kind) const;
  double weight_of(double alpha) const;

  AdapterSettings settings_;
  bool velocity_;
  int64_t pictures_, priors_;
  torch::Tensor mean_, deviation_;  // of pictures, then of prior
  std::vector<double> alphas_cumprod_;
};

/// Σ weight · mean (prediction − target)² / batch, where `batch` counts the rows that are not prior
/// (arXiv:2006.11239, eq. 14; arXiv:2208.12242, eq. 2). A scalar, float32.
torch::Tensor denoising_loss(const NoisyBatch& batch, const torch::Tensor& prediction,
                             int64_t rows);

}  // namespace sd::train
