#pragma once

#include <torch/types.h>

namespace sd {

/// Whether oneDNN can keep `weight` (float32 on the CPU, in a LibTorch built with oneDNN) in its own blocked layout. Without
/// that every call rearranges the weights anew: 3.4 GB of traffic for each pass of the SD v1 UNet.
bool can_pack_convolution(const torch::Tensor& weight);

/// `weight` [out,in,k,k] in oneDNN's layout: an opaque tensor for packed_convolution only.
torch::Tensor pack_convolution(const torch::Tensor& weight, int64_t stride, int64_t padding);

/// conv2d over x [N,in,H,W] with a packed weight; the result is channels-last.
torch::Tensor packed_convolution(const torch::Tensor& x, const torch::Tensor& packed, const torch::Tensor& bias,
                                 int64_t stride, int64_t padding);

}  // namespace sd
