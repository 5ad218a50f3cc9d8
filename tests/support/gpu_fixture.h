#pragma once

#include <ATen/Context.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "nn/gpu.h"
#include "support/golden.h"
#include "support/plain_gpu.h"
#include "support/tiny_model.h"

namespace sd::test {

/// As a GPU holds it.
inline torch::Tensor on_gpu(const torch::Tensor& x, torch::Dtype dtype = at::kHalf) {
  return x.to(dtype).to(device());
}

/// A GPU's ways, in inference: on the device that SD_TEST_DEVICE names with its own kernels, else
/// on the CPU with a stand-in for them.
class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (device().is_cuda()) {
      tiny_model();  // opens the kernels
    } else {
      gpu::set_backend(&plain_, at::kCPU);
    }
    at::manual_seed(3);
  }
  void TearDown() override {
    if (!device().is_cuda()) gpu::set_backend(nullptr);
  }

  c10::InferenceMode inference_;
  PlainGpu plain_;
};

}  // namespace sd::test
