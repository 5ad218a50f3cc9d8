#include "sd/models/control_net.h"

#include <ATen/ops/silu.h>

#include <array>
#include <string>
#include <utility>

#include "sd/nn/equal_rows.h"

namespace sd {
namespace {

constexpr int64_t kPictureChannels = 3;

/// What a net's encoder is: that of the UNet over the latents alone.
UNetConfig over_latents(UNetConfig unet) {
  unet.in_channels = unet.out_channels;
  unet.time_cond_width = 0;  // a net is not told the guidance
  return unet;
}

}  // namespace

ControlNetImpl::ControlNetImpl(const UNetConfig& unet) : UNetEncoderImpl(over_latents(unet)) {
  struct Layer {
    int64_t out, stride;
  };
  // cldm.cldm.ControlNet's input_hint_block: three halvings from pixels to latents.
  constexpr std::array<Layer, 7> kLayers = {
      {{16, 1}, {16, 1}, {32, 2}, {32, 1}, {96, 2}, {96, 1}, {256, 2}}};
  auto tower = register_module("input_hint_block", Group());
  int64_t channels = kPictureChannels;
  const auto add = [&](int64_t out, int64_t stride) {
    const auto place = std::to_string(2 * hint_layers_.size());  // SiLU has a number, too
    hint_layers_.push_back(tower->put(place, Conv2d(channels, out, 3, stride, 1)));
    channels = out;
  };
  for (const auto& [out, stride] : kLayers) add(out, stride);
  add(unet.model_channels, 1);

  auto zeros = register_module("zero_convs", Group());
  for (std::size_t i = 0; i < skip_channels_.size(); ++i) {
    const int64_t width = skip_channels_[i];
    zero_convs_.push_back(
        zeros->put(std::to_string(i), Group())->put("0", Conv2d(width, width, 1)));
  }
  const int64_t deepest = skip_channels_.back();
  middle_out_ = register_module("middle_block_out", Group())->put("0", Conv2d(deepest, deepest, 1));
}

torch::Tensor ControlNetImpl::hint(const torch::Tensor& picture) {
  auto h = picture.to(at::kFloat);
  for (std::size_t i = 0; i < hint_layers_.size(); ++i) {
    if (i > 0) h = at::silu(h);
    h = hint_layers_[i]->forward(h);
  }
  return h;
}

ControlResiduals ControlNetImpl::forward(const torch::Tensor& x, const torch::Tensor& t,
                                         const torch::Tensor& context, const torch::Tensor& hint,
                                         const ForwardContext& run) {
  const auto time = time_of(t, context.scalar_type(), run);
  ControlResiduals made;
  torch::Tensor h = first_rows(x, run.same_as);
  for (std::size_t i = 0; i < input_stages_.size(); ++i) {
    h = apply(input_stages_[i], h, time, context, run);
    if (i == 0) h = h + hint.to(h.scalar_type());
    made.skips.push_back(zero_convs_[i]->forward(h));
  }
  made.middle = middle_out_->forward(apply_middle(h, time, context, run));
  return made;
}

}  // namespace sd
