#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace sd {

using Tensors = std::vector<torch::Tensor>;

/// block(inputs), of whose insides nothing is kept for the way back: it is computed again there
/// (gradient checkpointing, arXiv:1604.06174, section 4). A gradient goes to those inputs that ask
/// for one, and to nothing else that `block` may hold. `block` must give the same for the same
/// inputs each time, in a thread of LibTorch's too.
Tensors checkpointed(std::function<Tensors(const Tensors&)> block, const Tensors& inputs);

}  // namespace sd
