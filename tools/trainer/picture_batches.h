#pragma once

#include <torch/types.h>

#include <cstdint>
#include <future>
#include <vector>

#include "trainer/scene.h"

namespace sd::train {

/// Pictures [N,3,S,S] in [-1,1], float32, of 8-bit RGB ones of one size.
torch::Tensor to_tensor(const std::vector<const Image*>& pictures);

/// Batches of scenes for the autoencoder, the next one composed while the current one is used. The
/// batch of a step is a function of the seed and the step alone.
class PictureBatches {
 public:
  struct Shape {
    int64_t batch = 32;
    int64_t crop = 64;  // pixels a side; the scene's own size gives whole pictures
    bool operator==(const Shape&) const = default;
  };

  PictureBatches(const SceneGenerator& scenes, uint64_t seed) : scenes_(scenes), seed_(seed) {}

  /// [batch,3,crop,crop] in [-1,1].
  torch::Tensor get(int64_t step, const Shape& shape);

 private:
  torch::Tensor make(int64_t step, Shape shape) const;

  const SceneGenerator& scenes_;
  uint64_t seed_;
  int64_t next_step_ = -1;
  Shape next_shape_;
  std::future<torch::Tensor> next_;
};

}  // namespace sd::train
