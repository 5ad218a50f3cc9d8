#pragma once

#include <torch/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sd/image/image.h"
#include "trainer/caption_folder.h"
#include "trainer/frozen_model.h"
#include "trainer/run_context.h"

namespace sd::train {

/// Pictures as the UNet sees them: the autoencoder's Gaussian over scaled latents.
struct TrainingPictures {
  torch::Tensor mean, deviation;      // [N,C,h,w] float32, on the CPU
  std::vector<std::string> captions;  // [N]
  std::string hash;                   // SHA-256 over the pictures' files and captions

  int64_t size() const { return mean.size(0); }
};

/// `picture` at `side` x `side` pixels, RGB: its shorter side is resized to `side` by Lanczos, and
/// the middle of the longer one is kept.
Image cut_square(const Image& picture, int64_t side);

/// Encodes pictures at `side` pixels, a multiple of the autoencoder's factor. Latents are kept in
/// `cache`, and taken from there while pictures, side and model are the same. Nothing if the user
/// stopped it. Throws IoError naming a picture that cannot be read.
std::optional<TrainingPictures> encode_pictures(const RunContext& run, FrozenModel& model,
                                                const std::vector<CaptionedPicture>& pictures,
                                                int64_t side, const std::filesystem::path& cache);

}  // namespace sd::train
