#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace sd::train {

/// min(SNR + 1, 5) / SNR, at most `most`, for each ᾱ: how much the error of ε counts. Plain min-SNR
/// (arXiv:2303.09556) gives the noisiest steps, where only the caption tells anything, too little
/// for a model of 16×16 latents.
std::vector<double> loss_weights(const std::vector<double>& alphas_cumprod, double most);

/// Timesteps [N] int64 in [0,total): total · u^power with u stratified over the batch.
torch::Tensor stratified_timesteps(int64_t count, int64_t total, double power,
                                   at::Generator& generator);

}  // namespace sd::train
