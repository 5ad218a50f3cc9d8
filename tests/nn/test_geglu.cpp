#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "nn/geglu.h"

namespace sd {
namespace {

torch::Tensor reference(const torch::Tensor& x) {
  const auto halves = x.to(at::kDouble).chunk(2, -1);
  return halves[0] * at::gelu(halves[1]);
}

// Rounding to 8 bits is off by up to 2^-8 of a value; float32 arithmetic adds a thousandth of that.
// gelu(b) rounded before the product would be off by twice as much.
constexpr double kOneRounding = 0x1p-8 * 1.01;
// The normal distribution's tail is known within 2e-7, as in any float32 erf.
constexpr double kTail = 2e-7;

void expect_one_rounding(const torch::Tensor& found, const torch::Tensor& x) {
  const auto expected = reference(x);
  const auto halves = x.to(at::kDouble).chunk(2, -1);
  const auto allowed = expected.abs() * kOneRounding + (halves[0] * halves[1]).abs() * kTail;
  EXPECT_LE(((found.to(at::kDouble) - expected).abs() - allowed).max().item<double>(), 0);
}

TEST(Geglu, RoundsOnceInBf16) {
  const at::NoGradGuard no_grad;
  const auto x = (at::randn({3, 37, 2 * 45}) * 2).to(at::kBFloat16);
  const auto found = geglu(x);
  EXPECT_EQ(found.scalar_type(), at::kBFloat16);
  EXPECT_EQ(found.sizes(), (at::IntArrayRef{3, 37, 45}));
  expect_one_rounding(found, x);
}

TEST(Geglu, RoundsOnceWhereverTheGateIs) {
  const at::NoGradGuard no_grad;
  const auto gate = at::linspace(-5, 8, 1301).unsqueeze(1);
  const auto x = at::cat({at::ones_like(gate), gate}, 1).to(at::kBFloat16);
  expect_one_rounding(geglu(x), x);
}

TEST(Geglu, IsLibTorchsInFloat32) {
  const auto x = at::randn({2, 5, 12});
  EXPECT_LT((geglu(x).to(at::kDouble) - reference(x)).abs().max().item<double>(), 1e-5);
}

TEST(Geglu, HasGradientsInBf16) {
  const auto x = at::randn({4, 8}).to(at::kBFloat16).requires_grad_();
  geglu(x).sum().backward();
  EXPECT_TRUE(x.grad().defined());
}

}  // namespace
}  // namespace sd
