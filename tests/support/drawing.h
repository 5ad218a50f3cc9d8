#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sd/pipeline/draw.h"
#include "support/tiny_model.h"

namespace sd::test {

/// Latents at the start and after every step of a run; hooks itself into the request.
class Recorded {
 public:
  explicit Recorded(DrawSettings& settings) {
    if (settings.start_latents) latents.push_back(*settings.start_latents);
    settings.on_step = [this](const StepReport& step) {
      latents.push_back(step.x.to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true));
      return true;
    };
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

  std::vector<torch::Tensor> latents;
};

/// Each recorded tensor within `tolerance` of the largest value of expected[i].
inline void expect_equal_steps(const std::vector<torch::Tensor>& found,
                               const torch::Tensor& expected, const std::string& name,
                               double tolerance) {
  ASSERT_EQ(static_cast<int64_t>(found.size()), expected.size(0)) << name;
  for (int64_t i = 0; i < expected.size(0); ++i) {
    EXPECT_LT(relative_difference(found[static_cast<std::size_t>(i)], expected[i]), tolerance)
        << name << " after step " << i;
  }
}

}  // namespace sd::test
