#pragma once

#include <torch/types.h>

namespace sd {

/// Whether `weight` is worth keeping in oneDNN's own blocked layout for inputs like x: float32
/// inference on a CPU, in a LibTorch built with oneDNN. Without that every call rearranges the
/// weights anew, 1.8 GB for each pass of the SD v1 UNet.
bool can_pack_convolution(const torch::Tensor& weight, const torch::Tensor& x);

/// `weight` [out,in,k,k] in the layout that oneDNN chooses for inputs of `input_size` [N,in,H,W]:
/// an opaque tensor for packed_convolution. The layout depends on the size: inputs of another one
/// work, but are rearranged for at every call.
torch::Tensor pack_convolution(const torch::Tensor& weight, at::IntArrayRef input_size,
                               int64_t stride, int64_t padding);

/// conv2d over x [N,in,H,W] with a packed weight; the result is channels-last.
torch::Tensor packed_convolution(const torch::Tensor& x, const torch::Tensor& packed,
                                 const torch::Tensor& bias, int64_t stride, int64_t padding);

}  // namespace sd
