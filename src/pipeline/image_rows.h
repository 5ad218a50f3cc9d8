#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "sd/nn/image_attention.h"
#include "sd/pipeline/draw.h"
#include "sd/pipeline/image_prompt.h"

namespace sd {

/// What the rows of a batch look at beside their prompts, step by step. One run's own.
class ImageRows {
 public:
  using Prompts = std::vector<std::shared_ptr<const ImagePrompt>>;

  /// `sights` tells of each row what it sees.
  ImageRows(Prompts prompts, std::vector<ImageSight> sights, torch::Dtype dtype)
      : prompts_(std::move(prompts)), sights_(std::move(sights)), dtype_(dtype) {}

  /// Of the `count` rows from `first` on; null where no picture is followed.
  const ImageAttention* at(int64_t step, int64_t num_steps, int64_t first, int64_t count);

 private:
  Prompts prompts_;
  std::vector<ImageSight> sights_;
  torch::Dtype dtype_;
  std::map<std::tuple<std::vector<bool>, int64_t, int64_t>, ImageAttention> made_;
};

}  // namespace sd
