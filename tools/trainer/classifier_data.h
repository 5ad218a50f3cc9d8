#pragma once

#include <torch/types.h>

#include <cstdint>
#include <future>

#include "trainer/scene.h"

namespace sd::train {

/// Scenes and what is known of them. Objects that are not there have empty masks.
struct LabelledScenes {
  torch::Tensor pictures;    // [N,3,S,S] float32 in [-1,1]
  torch::Tensor masks;       // [N,2,S,S] float32 in [0,1]
  torch::Tensor kinds;       // [N,2] int64
  torch::Tensor tints;       // [N,2] int64, the last one: the emoji's own colours
  torch::Tensor background;  // [N] int64
};

/// Makes pictures look drawn and not composed: bends them a little, masks too, blurs, shifts
/// colours, adds fine and coarse noise. A function of the seed.
void imitate_drawing(LabelledScenes& scenes, uint64_t seed);

/// Batches for the classifier, the next one composed while the current one is used.
class LabelledBatches {
 public:
  LabelledBatches(const SceneGenerator& scenes, uint64_t seed, int64_t batch)
      : scenes_(scenes), seed_(seed), batch_(batch) {}

  LabelledScenes get(int64_t step);

 private:
  LabelledScenes make(int64_t step) const;

  const SceneGenerator& scenes_;
  uint64_t seed_;
  int64_t batch_, next_step_ = -1;
  std::future<LabelledScenes> next_;
};

}  // namespace sd::train
