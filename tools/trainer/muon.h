#pragma once

#include <torch/types.h>

namespace sd::train {

/// The nearest matrix with equal singular values, roughly: those of the result lie in about
/// [0.7, 1.2]. `matrix` is [rows,columns]; the result has its type. Newton-Schulz iteration of the
/// Muon optimiser (K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
/// 2024), five steps of a quintic polynomial that needs matrix products only.
torch::Tensor orthogonalized(const torch::Tensor& matrix);

/// How a direction from orthogonalized() is scaled so that its entries are as large as AdamW's
/// usually are (a root mean square of 0.2), whatever the matrix' shape: one learning rate and one
/// weight decay then serve both (arXiv:2502.16982, equation 4).
double muon_scale(int64_t rows, int64_t columns);

}  // namespace sd::train
