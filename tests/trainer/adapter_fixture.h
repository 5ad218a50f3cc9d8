#pragma once

#include "support/golden.h"
#include "trainer/frozen_model.h"
#include "trainer/picture_folder.h"

namespace sd::train {

/// tiny-v1 in float32 as training loads it.
inline FrozenModel frozen_tiny_model() {
  return load_frozen({test::data("tiny-v1.ckpt"), test::data("tiny-v1.yaml"), {}, {}}, torch::kCPU,
                     torch::kFloat);
}

}  // namespace sd::train
