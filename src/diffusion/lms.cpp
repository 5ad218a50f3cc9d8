#include <algorithm>
#include <array>
#include <cmath>
#include <deque>

#include "diffusion/sigma_step.h"

namespace sd {
namespace {

constexpr int64_t kMaxOrder = 4;

/// The integral over [σ_i, σ_{i+1}] of the Lagrange polynomial that is 1 at σ_{i−j} and 0 at the
/// other `order` − 1 newest noise levels. Its degree is below 4, so two Gauss–Legendre points are
/// exact.
double weight(const std::vector<double>& sigmas, int64_t i, int64_t j, int64_t order) {
  const auto at = [&](int64_t back) { return sigmas[static_cast<std::size_t>(i - back)]; };
  const auto polynomial = [&](double sigma) {
    double product = 1;
    for (int64_t k = 0; k < order; ++k) {
      if (k != j) product *= (sigma - at(k)) / (at(j) - at(k));
    }
    return product;
  };
  const double from = at(0), to = at(-1);
  const double middle = (from + to) / 2, half = (to - from) / 2;
  const double node = half / std::sqrt(3.0);
  return half * (polynomial(middle - node) + polynomial(middle + node));
}

}  // namespace

torch::Tensor sample_lms(SigmaDenoiser& denoiser, torch::Tensor x, const SigmaRun& run) {
  std::deque<torch::Tensor> slopes;  // newest first
  return run_steps(
      denoiser, std::move(x), run, [&](const torch::Tensor& at, const SigmaStep& step) {
        const auto x0 = denoiser.denoised(at, step.sigma, step.index);
        slopes.push_front(slope(at, x0, step.sigma));
        if (slopes.size() > kMaxOrder) slopes.pop_back();
        const auto order = static_cast<int64_t>(slopes.size());
        auto moved = at;
        for (int64_t j = 0; j < order; ++j) {
          moved = moved +
                  weight(run.sigmas, step.index, j, order) * slopes[static_cast<std::size_t>(j)];
        }
        return SigmaStepResult{moved, x0};
      });
}

}  // namespace sd
