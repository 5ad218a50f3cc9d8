#include "sd/models/taesd.h"

#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <functional>
#include <string>

namespace sd {
namespace {

constexpr int64_t kWidth = 64;
constexpr int64_t kLatentChannels = 4;
constexpr int64_t kDoublings = 3;   // 8 pixels a latent
constexpr int64_t kBlocks = 3;      // at each size but the largest, which has one
constexpr double kLatentBound = 3;  // latents are squeezed into (-3, 3) first

Conv2d convolution(int64_t in, int64_t out, int64_t stride = 1, bool with_bias = true) {
  return Conv2d(in, out, 3, Conv2dOptions{.stride = stride, .padding = 1, .with_bias = with_bias});
}

/// Three convolutions with ReLU between, plus the input, ReLU behind.
class TaesdBlockImpl : public torch::nn::Module {
 public:
  TaesdBlockImpl() {
    auto list = register_module("conv", Group());
    // Numbers 1 and 3 are the ReLUs.
    for (const char* number : {"0", "2", "4"})
      convolutions_.push_back(list->put(number, convolution(kWidth, kWidth)));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    auto h = convolutions_[0]->forward(x);
    for (std::size_t i = 1; i < convolutions_.size(); ++i)
      h = convolutions_[i]->forward(at::relu(h));
    return at::relu(h + x);
  }

 private:
  std::vector<Conv2d> convolutions_;
};
TORCH_MODULE(TaesdBlock);

torch::Tensor double_size(const torch::Tensor& x) {
  return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
}

}  // namespace

class TaesdStackImpl : public torch::nn::Module {
 public:
  TaesdStackImpl() : list_(register_module("layers", Group())) {}

  void add(Conv2d layer) {
    list_->put(next_name(), layer);
    steps_.push_back([layer](const torch::Tensor& x) mutable { return layer->forward(x); });
  }
  void add_blocks(int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      auto block = list_->put(next_name(), TaesdBlock());
      steps_.push_back([block](const torch::Tensor& x) mutable { return block->forward(x); });
    }
  }
  /// What has no weights but a number.
  void add(torch::Tensor (*step)(const torch::Tensor&)) {
    next_name();
    steps_.push_back(step);
  }

  torch::Tensor forward(torch::Tensor x) {
    for (const auto& step : steps_) x = step(x);
    return x;
  }

 private:
  std::string next_name() { return std::to_string(number_++); }

  Group list_;
  int64_t number_ = 0;
  std::vector<std::function<torch::Tensor(const torch::Tensor&)>> steps_;
};

TaesdImpl::TaesdImpl(bool with_encoder) {
  if (with_encoder) {
    encoder_ = std::make_shared<TaesdStackImpl>();
    encoder_->add(convolution(3, kWidth));
    encoder_->add_blocks(1);
    for (int64_t i = 0; i < kDoublings; ++i) {
      encoder_->add(convolution(kWidth, kWidth, 2, /*with_bias=*/false));
      encoder_->add_blocks(kBlocks);
    }
    encoder_->add(convolution(kWidth, kLatentChannels));
    register_module("encoder", encoder_);
  }
  decoder_ = std::make_shared<TaesdStackImpl>();
  decoder_->add(convolution(kLatentChannels, kWidth));
  decoder_->add([](const torch::Tensor& x) { return at::relu(x); });
  for (int64_t i = 0; i < kDoublings; ++i) {
    decoder_->add_blocks(kBlocks);
    decoder_->add(double_size);
    decoder_->add(convolution(kWidth, kWidth, 1, /*with_bias=*/false));
  }
  decoder_->add_blocks(1);
  decoder_->add(convolution(kWidth, 3));
  register_module("decoder", decoder_);
}

TaesdImpl::~TaesdImpl() = default;

torch::Tensor TaesdImpl::encode(const torch::Tensor& pictures) {
  return encoder_->forward((pictures + 1) / 2);  // it was trained on [0,1]
}

torch::Tensor TaesdImpl::decode(const torch::Tensor& latents) {
  return decoder_->forward(at::tanh(latents / kLatentBound) * kLatentBound) * 2 - 1;
}

}  // namespace sd
