#pragma once

#include <vector>

#include "sd/core/t2i_adapter_config.h"
#include "sd/nn/layers.h"

namespace sd {

/// Residual block of a T2I-Adapter, under the names of its authors' ResnetBlock.
class AdapterBlockImpl : public torch::nn::Module {
 public:
  explicit AdapterBlockImpl(const T2IAdapterConfig::Block& config);
  torch::Tensor forward(torch::Tensor x);

 private:
  T2IAdapterConfig::Block config_;
  Conv2d in_conv_{nullptr}, block1_{nullptr}, block2_{nullptr}, down_{nullptr};
};
TORCH_MODULE(AdapterBlock);

/// T2I-Adapter (arXiv:2302.08453): features of a picture, one for each level of a UNet, computed
/// once a picture. Parameters carry the names of Adapter and Adapter_light of its authors.
class T2IAdapterImpl : public torch::nn::Module {
 public:
  explicit T2IAdapterImpl(const T2IAdapterConfig& config);

  /// picture [1,1 or 3,8h,8w] in [0,1] → [1,C,h,w], [1,2C,h/2,w/2], … float32.
  std::vector<torch::Tensor> forward(const torch::Tensor& picture);

  const T2IAdapterConfig& config() const { return config_; }

 private:
  struct Light {
    Conv2d in{nullptr}, out{nullptr};
    std::vector<AdapterBlock> blocks;
  };
  T2IAdapterConfig config_;
  Conv2d conv_in_{nullptr};
  std::vector<std::vector<AdapterBlock>> levels_;
  std::vector<Light> light_;
};
TORCH_MODULE(T2IAdapter);

}  // namespace sd
