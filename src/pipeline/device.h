#pragma once

#include <torch/types.h>

#include <string>

#include "sd/core/compute.h"

namespace sd {

/// The device a choice comes to on this machine; auto takes CUDA where there is one. Throws
/// UsageError if CUDA was asked for and cannot be had, saying what is missing.
torch::Device resolve_device(const DeviceChoice& choice);

/// The number of the GPU that a choice means among `gpus` visible ones: its own, or one for each
/// process of a launcher in turn. Throws as local_rank does.
int gpu_number(const DeviceChoice& choice, int gpus);

/// What weights are held in and what is computed in.
struct Precision {
  torch::Dtype weights = torch::kFloat;
  torch::Dtype compute = torch::kFloat;
  std::string name = "f32";  // as the user spells it
};

/// auto is what `--precision autocast` means: f16 on CUDA, bf16 on a CPU that multiplies it in
/// hardware, else f32. bf16 on another CPU holds the weights in bf16 and computes in f32: half the
/// memory at nearly the same speed. f16 on a CPU is taken as bf16, since LibTorch's f16 arithmetic
/// there is hundreds of times slower.
Precision resolve_precision(DTypeChoice choice, torch::Device device);

/// Sets LibTorch's arithmetic on CUDA for this process: float32 without TF32, and convolutions that
/// give the same bytes every time.
void set_cuda_arithmetic();

/// Threads that LibTorch uses from now on: `threads`, or the physical cores when 0; waiting ones
/// leave their cores to other programs.
void set_threads(int threads);

}  // namespace sd
