#include <ATen/Parallel.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <limits>

#include "nn/group_norm.h"

namespace sd {
namespace {

struct Case {
  torch::Tensor x, weight, bias, change;
};

Case make_case(at::IntArrayRef shape, torch::Dtype dtype) {
  Case made;
  made.x = (at::randn(shape) * 2 + 0.7).to(dtype).requires_grad_();
  made.weight = (at::randn({shape[1]}) * 0.5 + 1).requires_grad_();
  made.bias = at::randn({shape[1]}).requires_grad_();
  made.change = at::randn(shape).to(dtype);
  return made;
}

torch::Tensor reference(const Case& given, int64_t groups, double eps, bool silu) {
  const auto y = at::group_norm(given.x.to(at::kDouble), groups, given.weight.to(at::kDouble),
                                given.bias.to(at::kDouble), eps);
  return silu ? at::silu(y) : y;
}

double difference(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).abs().max() / b.abs().max()).item<double>();
}

void expect_like_reference(at::IntArrayRef shape, int64_t groups, torch::Dtype dtype, bool silu,
                           double tolerance) {
  const auto given = make_case(shape, dtype);
  const auto found = group_norm(given.x, {groups, given.weight, given.bias, 1e-5, silu});
  const auto expected = reference(given, groups, 1e-5, silu);
  EXPECT_EQ(found.scalar_type(), dtype);
  EXPECT_LT(difference(found, expected), tolerance);

  (found * given.change).sum().backward();
  const auto dx = given.x.grad().clone(), dw = given.weight.grad().clone(),
             db = given.bias.grad().clone();
  for (const auto* leaf : {&given.x, &given.weight, &given.bias}) leaf->mutable_grad().reset();
  (expected * given.change.to(at::kDouble)).sum().backward();
  EXPECT_LT(difference(dx, given.x.grad()), tolerance);
  EXPECT_LT(difference(dw, given.weight.grad()), tolerance);
  EXPECT_LT(difference(db, given.bias.grad()), tolerance);
}

// Float32 arithmetic with double sums: a few units in the last place, over some hundred terms.
constexpr double kFloatTolerance = 2e-6;
// bf16 results are rounded to 8 bits, twice on the way back.
constexpr double kBf16Tolerance = 1.5e-2;

TEST(GroupNorm, IsLikeTheReferenceInFloat32) {
  for (const bool silu : {false, true}) {
    expect_like_reference({3, 12, 5, 7}, 4, at::kFloat, silu, kFloatTolerance);
    expect_like_reference({2, 64, 16, 16}, 32, at::kFloat, silu, kFloatTolerance);
  }
}

TEST(GroupNorm, IsLikeTheReferenceInBf16) {
  for (const bool silu : {false, true}) {
    expect_like_reference({3, 48, 8, 8}, 16, at::kBFloat16, silu, kBf16Tolerance);
  }
}

TEST(GroupNorm, OnePictureIsSplitAmongThreadsWithoutADifference) {
  expect_like_reference({1, 32, 33, 31}, 8, at::kFloat, true, kFloatTolerance);
}

TEST(GroupNorm, FirstPassAloneGivesWhatTheSecondMultipliesAndAdds) {
  const auto given = make_case({2, 16, 9, 7}, at::kFloat);
  const at::NoGradGuard no_grad;
  const GroupNormOptions options{4, given.weight, given.bias, 1e-5};
  const auto affine = group_affine(given.x, options);
  const auto each = [](const torch::Tensor& values) { return values.unsqueeze(-1).unsqueeze(-1); };
  EXPECT_LT(
      difference(given.x * each(affine.scale) + each(affine.shift), group_norm(given.x, options)),
      kFloatTolerance);
}

TEST(GroupNorm, BandsOfRowsHaveTheMomentsOfTheWhole) {
  const c10::NoGradGuard inference;
  const auto given = make_case({1, 32, 40, 24}, at::kFloat);
  const GroupNormOptions options{8, given.weight, given.bias, 1e-6};
  const auto x = given.x.contiguous(at::MemoryFormat::ChannelsLast);
  GroupMoments moments(32);
  for (const auto& [begin, rows] : {std::pair{0, 13}, {13, 1}, {14, 26}}) {
    moments.add(x.narrow(2, begin, rows));
  }
  const auto bands = moments.affine(options), whole = group_affine(x, options);
  EXPECT_TRUE(bands.scale.allclose(whole.scale, 1e-6, 1e-6));
  EXPECT_TRUE(bands.shift.allclose(whole.shift, 1e-6, 1e-6));
}

TEST(GroupNorm, SumsDoNotDependOnThreadsOrOtherPictures) {
  const auto x = at::randn({5, 8, 40, 40});
  const GroupNormOptions options{4, at::randn({8}), at::randn({8})};
  const at::NoGradGuard no_grad;
  const auto together = group_norm(x, options);
  at::set_num_threads(1);
  for (int64_t i = 0; i < x.size(0); ++i) {
    EXPECT_TRUE(group_norm(x.narrow(0, i, 1), options).equal(together.narrow(0, i, 1)));
  }
}

TEST(GroupNorm, KeepsValuesFarFromZero) {
  const auto x = at::randn({1, 8, 64, 64}) * 0.1 + 50;
  const auto y = group_norm(x, {2, at::ones({8}), at::zeros({8})});
  EXPECT_NEAR(y.mean().item<double>(), 0, 1e-3);
  EXPECT_NEAR(y.std().item<double>(), 1, 1e-2);
}

TEST(GroupNorm, TakesMapsInAnyMemoryOrder) {
  const auto given = make_case({2, 16, 6, 6}, at::kFloat);
  const auto plain = group_norm(given.x, {4, given.weight, given.bias, 1e-5, /*silu=*/true});
  const auto last = group_norm(given.x.contiguous(at::MemoryFormat::ChannelsLast),
                               {4, given.weight, given.bias, 1e-5, /*silu=*/true});
  EXPECT_TRUE(plain.equal(last));
}

TEST(GroupNorm, NanStaysNan) {
  auto x = at::randn({1, 8, 4, 4});
  x.view({-1}).select(0, 3).fill_(std::numeric_limits<float>::quiet_NaN());
  const auto y = group_norm(x, {2, at::ones({8}), at::zeros({8}), 1e-5, /*silu=*/true});
  EXPECT_TRUE(y.isnan().any().item<bool>());
}

}  // namespace
}  // namespace sd
