#include "sd/models/t2i_adapter.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/pixel_unshuffle.h>
#include <ATen/ops/relu.h>

#include <string>
#include <utility>

namespace sd {
namespace {

constexpr int64_t kPixelsALatent = 8;

torch::Tensor halved(const torch::Tensor& x) { return at::avg_pool2d(x, {2, 2}, {2, 2}); }

}  // namespace

AdapterBlockImpl::AdapterBlockImpl(const T2IAdapterConfig::Block& config) : config_(config) {
  const auto [in, out] = std::pair(config.in, config.out);
  const auto conv = [](int64_t from, int64_t to, int64_t kernel) {
    return Conv2d(from, to, kernel, 1, kernel / 2);
  };
  if (config.in_kernel > 0) in_conv_ = register_module("in_conv", conv(in, out, config.in_kernel));
  block1_ = register_module("block1", conv(out, out, 3));
  block2_ = register_module("block2", conv(out, out, config.out_kernel));
  if (config.halves_by_conv) {
    down_ = register_module("down_opt", Group())->put("op", Conv2d(in, in, 3, 2, 1));
  }
}

torch::Tensor AdapterBlockImpl::forward(torch::Tensor x) {
  if (config_.halves) x = down_ ? down_->forward(x) : halved(x);
  if (in_conv_) x = in_conv_->forward(x);
  return block2_->forward(at::relu(block1_->forward(x)), {.residual = x});
}

T2IAdapterImpl::T2IAdapterImpl(const T2IAdapterConfig& config) : config_(config) {
  auto body = register_module("body", Group());
  std::size_t number = 0;
  for (const auto& level : config.levels) {
    auto& blocks = levels_.emplace_back();
    for (const auto& block : level)
      blocks.push_back(body->put(std::to_string(number++), AdapterBlock(block)));
  }
  for (const auto& level : config.light) {
    auto group = body->put(std::to_string(number++), Group());
    Light made;
    made.in = group->put("in_conv", Conv2d(level.in, level.inner, 1));
    auto inner = group->put("body", Group());
    for (int64_t i = 0; i < level.blocks; ++i) {
      const T2IAdapterConfig::Block block{.in = level.inner, .out = level.inner, .out_kernel = 3};
      made.blocks.push_back(inner->put(std::to_string(i), AdapterBlock(block)));
    }
    made.out = group->put("out_conv", Conv2d(level.inner, level.out, 1));
    light_.push_back(std::move(made));
  }
  if (!config.is_light()) {
    conv_in_ = register_module("conv_in", Conv2d(config.unshuffled, config.first, 3, 1, 1));
  }
}

std::vector<torch::Tensor> T2IAdapterImpl::forward(const torch::Tensor& picture) {
  std::vector<torch::Tensor> features;
  auto h = at::pixel_unshuffle(picture.to(at::kFloat), kPixelsALatent);
  if (conv_in_) h = conv_in_->forward(h);
  for (auto& level : levels_) {
    for (auto& block : level) h = block->forward(h);
    features.push_back(h);
  }
  for (std::size_t i = 0; i < light_.size(); ++i) {
    if (i > 0) h = halved(h);
    h = light_[i].in->forward(h);
    for (auto& block : light_[i].blocks) h = block->forward(h);
    h = light_[i].out->forward(h);
    features.push_back(h);
  }
  return features;
}

}  // namespace sd
