#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/open.h"

namespace sd {
namespace {

// Published v-prediction models of Stable Diffusion 2 have a standard deviation above this one in
// the bias of the last block's first norm, the others stay below: what ComfyUI goes by.
constexpr double kVelocityDeviation = 0.09;

float from_half(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F;
  const int fraction = bits & 0x3FF;
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(fraction), -24)
                              : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

template <typename Bits>
Bits bits_at(const TensorView& view, std::size_t i) {
  Bits bits;
  std::memcpy(&bits, view.bytes.data() + i * sizeof(Bits), sizeof(Bits));
  return bits;
}

/// The values of a small contiguous tensor; nothing for dtypes that weights do not have.
std::optional<std::vector<double>> values_of(const TensorView& view) {
  if (!view.strides.empty()) return std::nullopt;
  std::vector<double> values(view.bytes.size() / size_of(view.dtype));
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (view.dtype) {
      case DType::kF32:
        values[i] = std::bit_cast<float>(bits_at<uint32_t>(view, i));
        break;
      case DType::kF16:
        values[i] = from_half(bits_at<uint16_t>(view, i));
        break;
      case DType::kBF16:
        values[i] = std::bit_cast<float>(uint32_t{bits_at<uint16_t>(view, i)} << 16);
        break;
      default:
        return std::nullopt;
    }
  }
  return values;
}

/// Not corrected for the sample, as the threshold was found.
double standard_deviation(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double value : values) mean += value;
  mean /= static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

/// The bias in question, of the attention nearest to the UNet's output.
std::string telling_bias(const UNetConfig& unet) {
  const auto last = static_cast<int64_t>(unet.channel_mult.size()) * (unet.num_res_blocks + 1) - 1;
  return fmt::format("model.diffusion_model.output_blocks.{}.1.transformer_blocks.0.norm1.bias",
                     last);
}

}  // namespace

FoundPrediction find_prediction(const TensorSource& tensors, const ModelConfig& config) {
  if (config.prediction) return {*config.prediction, false};
  // Of Stable Diffusion 2 the models that take more than latents predict noise.
  const bool second = config.unet.use_linear_in_transformer &&
                      config.text.activation == TextActivation::kGelu;  // OpenCLIP's
  if (!second || config.extra() != UNetExtra::kNone) return {};
  const auto name = telling_bias(config.unet);
  if (!tensors.contains(name)) return {Prediction::kNoise, true};
  const auto values = values_of(tensors.at(name));
  const bool velocity =
      values && !values->empty() && standard_deviation(*values) > kVelocityDeviation;
  return {velocity ? Prediction::kVelocity : Prediction::kNoise, true};
}

}  // namespace sd
