#pragma once

#include "sd/core/noise_source.h"
#include "sd/nn/attention_controller.h"
#include "sd/pipeline/load.h"
#include "support/golden.h"

namespace sd::test {

/// The small seeded SD v1 of tests/data, loaded once a process.
inline const LoadedModel& tiny_model(DTypeChoice dtype = DTypeChoice::kF32) {
  const auto load = [](DTypeChoice choice) {
    LoadRequest request;
    request.checkpoint = data("tiny-v1.ckpt");
    request.config = data("tiny-v1.yaml");
    request.dtype = choice;
    request.device = device_choice();
    return load_model(request);
  };
  static const LoadedModel f32 = load(DTypeChoice::kF32);
  if (dtype == DTypeChoice::kF32) return f32;
  static const LoadedModel bf16 = load(DTypeChoice::kBF16);
  return bf16;
}

/// Takes every layer through explicit attention and changes nothing.
class Onlooker final : public AttentionController {
 public:
  AttentionUse use(const AttentionCall&) const override { return AttentionUse::kChange; }
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override {
    ++calls;
    last_rows = call.rows;
    return probs;
  }
  int64_t calls = 0;
  std::vector<RowGroup> last_rows;
};

/// Gives out stored noise, draw by draw.
class StoredNoise final : public NoiseSource {
 public:
  explicit StoredNoise(torch::Tensor draws) : draws_(std::move(draws)) {}
  torch::Tensor randn(at::IntArrayRef) override { return draws_[next_++]; }

 private:
  torch::Tensor draws_;  // [draws, ...]
  int64_t next_ = 0;
};

}  // namespace sd::test
