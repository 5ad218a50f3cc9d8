#include "sd/pipeline/preview.h"

#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "pipeline/encode.h"

namespace sd {
namespace {

/// Red, green and blue in [-1,1] of SD v1's four channels, by linear regression of decoded pictures
/// on their latents (discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204).
constexpr double kV1Factors[4][3] = {
    {0.298, 0.207, 0.208}, {0.187, 0.286, 0.173}, {-0.158, 0.189, 0.264}, {-0.184, -0.271, -0.473}};

bool is_v1_autoencoder(const ModelConfig& config) {
  const ModelConfig v1;
  return config.vae == v1.vae && config.scale_factor == v1.scale_factor;
}

torch::Tensor v1_colours(const torch::Tensor& x0) {
  const auto factors =
      at::tensor(at::ArrayRef<double>(&kV1Factors[0][0], 12), at::kFloat).view({4, 3});
  return x0.permute({0, 2, 3, 1}).matmul(factors) / 2 + 0.5;  // [N,h,w,3]
}

torch::Tensor false_colours(const torch::Tensor& x0) {
  const auto channels = std::min<int64_t>(x0.size(1), 3);
  const auto shown = x0.narrow(1, 0, channels).permute({0, 2, 3, 1});  // [N,h,w,c]
  const auto mean = shown.mean({1, 2}, /*keepdim=*/true);
  const auto deviation = (shown - mean).square().mean({1, 2}, true).sqrt().clamp_min(1e-6);
  const auto stretched = (shown - mean) / (4 * deviation) + 0.5;
  // Of fewer than three channels the first is grey.
  return channels == 3 ? stretched : stretched.narrow(3, 0, 1).expand({-1, -1, -1, 3});
}

}  // namespace

std::vector<Image> preview_latents(const ModelConfig& config, const torch::Tensor& x0) {
  const c10::InferenceMode inference;
  const auto latents = x0.detach().to(at::kCPU, at::kFloat);
  const auto colours = is_v1_autoencoder(config) ? v1_colours(latents) : false_colours(latents);
  const auto bytes = colours.nan_to_num(0.5)
                         .clamp(0.0, 1.0)
                         .mul(255.0)
                         .round()
                         .to(at::kByte)
                         .contiguous();  // [N,h,w,3]
  const auto* first = bytes.const_data_ptr<uint8_t>();
  const auto count = bytes.size(1) * bytes.size(2) * 3;
  std::vector<Image> pictures;
  for (int64_t i = 0; i < bytes.size(0); ++i) {
    pictures.push_back({bytes.size(2), bytes.size(1), 3,
                        std::vector<uint8_t>(first + i * count, first + (i + 1) * count)});
  }
  return pictures;
}

std::vector<Image> preview_pictures(const LoadedModel& model, const torch::Tensor& x0) {
  if (!model.taesd) return preview_latents(model.config, x0);
  const c10::InferenceMode inference;
  return decode_latents(model, x0, {});
}

}  // namespace sd
