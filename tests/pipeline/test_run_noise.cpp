// The random numbers of a run, without a model.
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include <memory>

#include "sd/core/error.h"
#include "sd/pipeline/sample_noise.h"
#include "sd/pipeline/start_latents.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::expect_error;

const torch::Device kCpu(torch::kCPU);
constexpr std::array<int64_t, 3> kShape = {4, 2, 2};

torch::Tensor drawn_from(uint64_t seed, at::IntArrayRef shape) {
  return SeededNoise(seed, RngChoice::kCpu, kCpu).randn(shape);
}

SeedRule rule(SeedMode mode = SeedMode::kBatch) {
  SeedRule rule;
  rule.seed = 7;
  rule.mode = mode;
  rule.rng = RngChoice::kCpu;
  return rule;
}

TEST(RunNoise, BatchesShareOneStream) {
  RunNoise noise(rule(), kCpu);
  const auto both = drawn_from(7, {32});
  EXPECT_TRUE(noise.of_batch(0).randn({16}).equal(both.narrow(0, 0, 16)));
  EXPECT_TRUE(noise.of_batch(3).randn({16}).equal(both.narrow(0, 16, 16)));
}

TEST(RunNoise, EachPictureMayHaveItsOwn) {
  RunNoise noise(rule(SeedMode::kImage), kCpu);
  EXPECT_TRUE(noise.of_batch(3).randn({1, 4, 2, 2}).equal(drawn_from(10, {1, 4, 2, 2})));
}

TEST(RunNoise, AVariationLiesBetweenTwoSeeds) {
  const auto start_at = [](double strength) {
    auto varied = rule();
    varied.variation = Variation{8, strength};
    return *RunNoise(varied, kCpu).start(0, {1, 4, 2, 2});
  };
  EXPECT_FALSE(RunNoise(rule(), kCpu).start(0, {1, 4, 2, 2}).has_value());
  // Sines of an angle, in double: exact to float32's last bits.
  EXPECT_TRUE(start_at(0).allclose(drawn_from(7, {1, 4, 2, 2}), 1e-6, 1e-6));
  EXPECT_TRUE(start_at(1).allclose(drawn_from(8, {1, 4, 2, 2}), 1e-6, 1e-6));
  EXPECT_FALSE(start_at(0.5).allclose(start_at(0)));
}

TEST(SampleNoise, EachSampleGetsWhatItWouldAlone) {
  std::vector<std::unique_ptr<RunNoise>> streams;
  for (const uint64_t seed : {7, 8}) {
    auto own = rule();
    own.seed = seed;
    streams.push_back(std::make_unique<RunNoise>(own, kCpu));
  }
  SampleNoise noise(std::move(streams));
  const auto both = noise.randn({2, 4, 2, 2});
  EXPECT_TRUE(both[0].equal(drawn_from(7, {1, 4, 2, 2})[0]));
  EXPECT_TRUE(both[1].equal(drawn_from(8, {1, 4, 2, 2})[0]));
  expect_error<UsageError>([&] { noise.randn({3, 4}); }, "noise of 3 rows");
}

TEST(StartLatents, AFixedStartIsDrawnOnce) {
  RunNoise noise(rule(), kCpu);
  StartLatents start({.given = {}, .fixed = true, .samples = 2, .shared = false}, kShape);
  const auto first = *start.batch(0, 2, noise);
  EXPECT_TRUE(first.equal(drawn_from(7, {2, 4, 2, 2})));
  EXPECT_TRUE(start.batch(2, 1, noise)->equal(first.narrow(0, 0, 1)));
}

TEST(StartLatents, ASharedStartIsAllSamples) {
  RunNoise noise(rule(), kCpu);
  StartLatents start({.given = {}, .fixed = true, .samples = 2, .shared = true}, kShape);
  const auto both = *start.batch(0, 2, noise);
  EXPECT_TRUE(both[0].equal(both[1]));
}

TEST(StartLatents, GivenOnesAreTakenInTurn) {
  RunNoise noise(rule(), kCpu);
  const auto given = at::arange(48, torch::kFloat).view({3, 4, 2, 2});
  StartLatents start({.given = given, .fixed = false, .samples = 1, .shared = false}, kShape);
  const auto batch = *start.batch(2, 2, noise);
  EXPECT_TRUE(batch[0].equal(given[2]));
  EXPECT_TRUE(batch[1].equal(given[0]));
}

TEST(StartLatents, OfAnotherShapeAreRefused) {
  const auto make = [] {
    StartRule wrong;
    wrong.given = at::arange(16, torch::kFloat).view({1, 4, 4, 1});
    StartLatents(wrong, kShape);
  };
  expect_error<UsageError>(make, "[1, 4, 4, 1], expected [N, 4, 2, 2]");
}

}  // namespace
}  // namespace sd
