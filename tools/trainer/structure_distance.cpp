#include "trainer/structure_distance.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/mse_loss.h>
#include <c10/core/GradMode.h>

#include "sd/pipeline/draw.h"

namespace sd::train {
namespace {

/// [2,cells,cells] of what is said of the cells of two pictures.
torch::Tensor self_similarities(const CellLogits& cells) {
  const auto features = at::cat({cells.kind, cells.tint, cells.background}, 1).flatten(2);
  const auto unit = features / features.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-8);
  return unit.transpose(1, 2).matmul(unit);
}

}  // namespace

double structure_distance(Classifier& classifier, const Image& a, const Image& b) {
  const c10::NoGradGuard off;
  const auto both = at::cat({to_tensor(a), to_tensor(b)});
  const auto similar = self_similarities(classifier->forward(both));
  return at::mse_loss(similar[0], similar[1]).item<double>();
}

}  // namespace sd::train
