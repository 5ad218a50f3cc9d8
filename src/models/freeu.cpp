#include "models/freeu.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/where.h>

#include <numbers>

namespace sd {
namespace {

/// Of a transform over `size` values, what the frequencies 0 and −1 hold: the real and the
/// imaginary part of the projector onto them, [size,size].
struct LowPass {
  torch::Tensor real, imaginary;

  LowPass(int64_t size, const torch::TensorOptions& options) {
    const auto place = at::arange(size, options);
    const auto turn =
        (place.unsqueeze(1) - place) * (-2 * std::numbers::pi / static_cast<double>(size));
    real = (1 + at::cos(turn)) / static_cast<double>(size);
    imaginary = at::sin(turn) / static_cast<double>(size);
  }
};

/// x with the ±1 square round the lowest frequency of each channel multiplied by `scale`: the real
/// part of what a Fourier transform, the product and the way back give.
torch::Tensor filtered(const torch::Tensor& x, double scale) {
  const auto maps = x.to(at::kFloat);
  const LowPass down(x.size(2), maps.options()), across(x.size(3), maps.options());
  const auto part = [&](const torch::Tensor& rows, const torch::Tensor& columns) {
    return at::matmul(at::matmul(rows, maps), columns.t());
  };
  const auto low = part(down.real, across.real) - part(down.imaginary, across.imaginary);
  return (maps + (scale - 1) * low).to(x.scalar_type());
}

/// The mean over channels, from 0 to 1 within each row: [R,1,h,w].
torch::Tensor unit_mean(const torch::Tensor& h) {
  const auto mean = h.to(at::kFloat).mean(1, true);
  const auto least = mean.amin({1, 2, 3}, true), most = mean.amax({1, 2, 3}, true);
  const auto span = most - least;
  return at::where(span > 0, (mean - least) / span, at::ones_like(mean));
}

/// The first half of the channels, multiplied.
torch::Tensor amplified(const torch::Tensor& h, const torch::Tensor& factor) {
  const int64_t half = h.size(1) / 2;
  return at::cat(
      {(h.narrow(1, 0, half) * factor).to(h.scalar_type()), h.narrow(1, half, h.size(1) - half)},
      1);
}

/// 0 for b1 and s1, 1 for b2 and s2, anything else for none.
int64_t level_of(const FreeU& freeu, const UNetConfig& config, int64_t stage, int64_t channels) {
  if (freeu.version == 1) return stage / (config.num_res_blocks + 1);
  if (channels == 4 * config.model_channels) return 0;
  return channels == 2 * config.model_channels ? 1 : -1;
}

}  // namespace

void apply_freeu(const FreeU& freeu, const UNetConfig& config, int64_t stage, torch::Tensor& h,
                 torch::Tensor& skip) {
  const int64_t level = level_of(freeu, config, stage, h.size(1));
  if (level != 0 && level != 1) return;
  const auto& [b1, b2, s1, s2] = freeu.factors;
  const double b = level == 0 ? b1 : b2;
  auto factor = torch::Tensor();
  if (freeu.version == 1) {
    factor = at::ones_like(h.narrow(1, 0, 1)).mul_(b);
  } else {
    factor = (b - 1) * unit_mean(h) + 1;
  }
  h = amplified(h, factor);
  skip = filtered(skip, level == 0 ? s1 : s2);
}

}  // namespace sd
