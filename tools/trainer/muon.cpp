#include "trainer/muon.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>

namespace sd::train {
namespace {

constexpr int kIterations = 5;
// x -> A x + B x^3 + C x^5 drives (0, 1] towards 1, fastest where x is small.
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
constexpr double kLeastNorm = 1e-7;
constexpr double kAdamRms = 0.2;

}  // namespace

torch::Tensor orthogonalized(const torch::Tensor& matrix) {
  const bool tall = matrix.size(0) > matrix.size(1);
  // The Frobenius norm is at least the largest singular value.
  auto x = matrix / matrix.to(at::kFloat).norm().clamp_min(kLeastNorm).to(matrix.scalar_type());
  if (tall) x = x.t();
  for (int i = 0; i < kIterations; ++i) {
    const auto gram = at::mm(x, x.t());
    const auto polynomial = at::addmm(gram, gram, gram, kB, kC);  // B G + C G^2
    x = at::addmm(x, polynomial, x, kA);                          // A x + (B G + C G^2) x
  }
  return tall ? x.t() : x;
}

double muon_scale(int64_t rows, int64_t columns) {
  return kAdamRms * std::sqrt(static_cast<double>(std::max(rows, columns)));
}

}  // namespace sd::train
