#pragma once

#include <torch/types.h>

#include <cstdint>

#include "cuda/backend.h"

namespace sd {

struct GroupNormOptions;  // nn/group_norm.h

namespace gpu {

/// Work on tensors of devices of one kind goes to `backend` from now on; null: to LibTorch alone.
/// Tests name the CPU, for a backend that stands in for a GPU's.
void set_backend(const cuda::Backend* backend, c10::DeviceType device = at::kCUDA);

const cuda::Backend* backend_of(torch::Device device);
/// The backend of x's device, for inference; null where there is none.
const cuda::Backend* backend_of(const torch::Tensor& x);

/// Whether layers over x take the ways made for GPUs: channels side by side, in half precision.
bool takes_half(const torch::Tensor& x);

/// x + what it is offset by: `bias` [C] and `offset` [N,C] or [1,C], each of x's dtype or
/// undefined.
struct Offset {
  torch::Tensor bias{}, offset{};
};

/// Whether group_norm takes maps x [N,C,h,w] with these channels.
bool norms(const torch::Tensor& x, const GroupNormOptions& options);
/// Group norm of x + `before`; the result is channels-last.
torch::Tensor group_norm(const torch::Tensor& x, const GroupNormOptions& options,
                         const Offset& before = {});

/// x + offset + residual, in x's own memory: x [N,C,h,w] channels-last or [...,C].
torch::Tensor add(torch::Tensor x, const Offset& offset, const torch::Tensor& residual);

/// Whether `gate` takes x.
bool gates(const torch::Tensor& x);
/// a · gelu(b) of [...,a b].
torch::Tensor gate(const torch::Tensor& x);

/// Where a float of x is not finite, `first`, one int on x's device, becomes `step` if it was
/// negative.
void note_nonfinite(const torch::Tensor& x, int64_t step, torch::Tensor& first);

/// Values of the host's memory, in the same dtype on `device`. Their memory may go when it returns.
torch::Tensor uploaded(const torch::Tensor& values, torch::Device device);
/// Memory of `device` that is kept and nobody uses goes back to the driver.
void give_back_memory(torch::Device device);

}  // namespace gpu
}  // namespace sd
