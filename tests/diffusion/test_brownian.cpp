#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "sd/core/error.h"
#include "sd/diffusion/brownian.h"

namespace sd {
namespace {

torch::Tensor latents(int64_t rows) { return at::zeros({rows, 4, 64, 64}); }

double correlation(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a - a.mean()) * (b - b.mean())).mean().item<double>() /
         (a.std() * b.std()).item<double>();
}

TEST(BrownianNoise, IsStandardNormal) {
  BrownianNoise noise({7});
  for (const auto& [from, to] : {std::pair{14.6, 9.1}, {0.5, 0.2}, {0.05, 0.0292}}) {
    const auto drawn = noise(latents(1), from, to);
    // 16,384 numbers: the mean's deviation is 0.008, the standard deviation's 0.006.
    EXPECT_NEAR(drawn.mean().item<double>(), 0, 0.04);
    EXPECT_NEAR(drawn.std().item<double>(), 1, 0.03);
  }
}

TEST(BrownianNoise, IncrementsAddUpAndAreIndependent) {
  BrownianNoise noise({7});
  const auto x = latents(1);
  const auto whole = noise(x, 4.0, 1.0) * std::sqrt(3.0);
  const auto first = noise(x, 4.0, 2.5) * std::sqrt(1.5),
             second = noise(x, 2.5, 1.0) * std::sqrt(1.5);
  EXPECT_LT((whole - first - second).abs().max().item<double>(), 1e-5);
  EXPECT_LT(std::abs(correlation(first, second)), 0.04);
}

TEST(BrownianNoise, DependsOnSeedAndTimeAlone) {
  const auto one = latents(1), two = latents(2);
  BrownianNoise together({7, 8}), alone({8});
  alone(one, 10.0, 3.0);  // what was asked before changes nothing
  EXPECT_TRUE(together(two, 2.0, 1.0)[1].equal(alone(one, 2.0, 1.0)[0]));
  EXPECT_LT(std::abs(correlation(together(two, 2.0, 1.0)[0], together(two, 2.0, 1.0)[1])), 0.04);
}

TEST(BrownianNoise, RefusesRowsWithoutASeedAndLevelsBeyondItsPath) {
  BrownianNoise noise({7});
  EXPECT_THROW(noise(latents(2), 2.0, 1.0), UsageError);
  EXPECT_THROW(noise(latents(1), 300.0, 1.0), UsageError);
}

}  // namespace
}  // namespace sd
