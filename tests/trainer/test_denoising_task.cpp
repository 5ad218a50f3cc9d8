#include <ATen/ops/allclose.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "sd/diffusion/schedule.h"
#include "trainer/denoising_task.h"

namespace sd::train {
namespace {

/// `count` pictures whose latents are all their number plus `first`, without deviation.
TrainingPictures pictures(int64_t count, double first = 0) {
  TrainingPictures made;
  made.mean = at::ones({count, 4, 2, 2});
  for (int64_t i = 0; i < count; ++i) made.mean[i].mul_(first + static_cast<double>(i));
  made.deviation = at::zeros({count, 4, 2, 2});
  return made;
}

ModelConfig model_of(Prediction prediction) {
  ModelConfig config;
  config.prediction = prediction;
  return config;
}

std::vector<double> alphas() {
  return NoiseSchedule::sqrt_linear(0.00085, 0.012, 1000).alphas_cumprod;
}

double alpha_of(const NoisyBatch& batch, int64_t row) {
  return alphas()[static_cast<std::size_t>(batch.t[row].item<int64_t>())];
}

TEST(DenoisingTask, NoiseIsWhatIsAskedFor) {
  const DenoisingTask task(model_of(Prediction::kNoise), {}, pictures(3), {});
  const auto batch = task.batch(5);
  for (int64_t row = 0; row < 2; ++row) {
    const double alpha = alpha_of(batch, row);
    const auto z = (batch.x[row] - std::sqrt(1 - alpha) * batch.target[row]) / std::sqrt(alpha);
    const auto number = static_cast<double>(batch.pictures[static_cast<std::size_t>(row)]);
    EXPECT_TRUE(at::allclose(z, at::ones({4, 2, 2}) * number, 1e-4, 1e-3));
  }
}

TEST(DenoisingTask, VelocityIsWhatIsAskedForOfAModelOfIt) {
  const DenoisingTask task(model_of(Prediction::kVelocity), {}, pictures(3), {});
  const auto batch = task.batch(5);
  for (int64_t row = 0; row < 2; ++row) {
    const double alpha = alpha_of(batch, row);
    // arXiv:2202.00512, appendix D: x0 = sqrt(ᾱ) x − sqrt(1−ᾱ) v.
    const auto z = std::sqrt(alpha) * batch.x[row] - std::sqrt(1 - alpha) * batch.target[row];
    const auto number = static_cast<double>(batch.pictures[static_cast<std::size_t>(row)]);
    EXPECT_TRUE(at::allclose(z, at::ones({4, 2, 2}) * number, 1e-4, 1e-4));
  }
}

TEST(DenoisingTask, AScheduleThatEndsInNoiseDoesSoInTraining) {
  auto config = model_of(Prediction::kVelocity);
  config.zero_terminal_snr = true;
  AdapterSettings settings;
  settings.batch = 1000;  // one of each timestep, since they are spread over a batch
  const auto batch = DenoisingTask(config, settings, pictures(1, 1), {}).batch(0);
  const auto last = batch.t.eq(999).nonzero()[0].item<int64_t>();
  EXPECT_TRUE(at::allclose(batch.target[last], -at::ones({4, 2, 2}), 1e-4, 1e-4));
}

TEST(DenoisingTask, AnEpochShowsEveryPictureOnce) {
  AdapterSettings settings;
  settings.batch = 2;
  const DenoisingTask task(model_of(Prediction::kNoise), settings, pictures(5), {});
  std::vector<int64_t> shown;
  for (int64_t step = 0; step < 5; ++step) {
    const auto batch = task.batch(step).pictures;
    shown.insert(shown.end(), batch.begin(), batch.end());
  }
  const std::vector<int64_t> first(shown.begin(), shown.begin() + 5),
      second(shown.begin() + 5, shown.end());
  EXPECT_EQ(std::set<int64_t>(first.begin(), first.end()).size(), 5u);
  EXPECT_EQ(std::set<int64_t>(second.begin(), second.end()).size(), 5u);
  EXPECT_NE(first, second);
}

TEST(DenoisingTask, ABatchFollowsFromSeedAndStepAlone) {
  AdapterSettings settings, other;
  other.seed = 2;
  const DenoisingTask task(model_of(Prediction::kNoise), settings, pictures(5), {});
  const DenoisingTask again(model_of(Prediction::kNoise), settings, pictures(5), {});
  const DenoisingTask seeded(model_of(Prediction::kNoise), other, pictures(5), {});
  task.batch(0);
  EXPECT_TRUE(task.batch(7).x.equal(again.batch(7).x));
  EXPECT_FALSE(task.batch(7).x.equal(task.batch(8).x));
  EXPECT_FALSE(task.batch(7).x.equal(seeded.batch(7).x));
}

TEST(DenoisingTask, LatentsAreDrawnFromTheirGaussian) {
  auto drawn = pictures(1);
  drawn.deviation.fill_(0.5);
  AdapterSettings settings;
  settings.batch = 512;
  const auto batch = DenoisingTask(model_of(Prediction::kVelocity), settings, drawn, {}).batch(0);
  std::vector<double> alpha;
  for (int64_t row = 0; row < settings.batch; ++row) alpha.push_back(alpha_of(batch, row));
  const auto a = at::tensor(alpha, at::kDouble).view({-1, 1, 1, 1});
  const auto z = a.sqrt() * batch.x - (1 - a).sqrt() * batch.target;
  EXPECT_NEAR(z.std().item<double>(), 0.5, 0.02);
  EXPECT_NEAR(z.mean().item<double>(), 0, 0.02);
}

TEST(DenoisingTask, CaptionsAreLeftOutAsOftenAsAsked) {
  AdapterSettings settings;
  settings.batch = 1000;
  settings.caption_dropout = 0.2;
  const auto batch =
      DenoisingTask(model_of(Prediction::kNoise), settings, pictures(1), {}).batch(0);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(batch.dropped, true)), 200, 40);
}

TEST(DenoisingTask, MinSnrWeighsBothKindsOfModels) {
  AdapterSettings settings;
  settings.min_snr = 5;
  for (const auto prediction : {Prediction::kNoise, Prediction::kVelocity}) {
    const auto batch = DenoisingTask(model_of(prediction), settings, pictures(1), {}).batch(3);
    for (int64_t row = 0; row < 2; ++row) {
      const double snr = alpha_of(batch, row) / (1 - alpha_of(batch, row));
      const double of = prediction == Prediction::kNoise ? snr : snr + 1;
      EXPECT_NEAR(batch.weight[row].item<double>(), std::min(snr, 5.0) / of, 1e-5);
    }
  }
}

TEST(DenoisingTask, DebiasedItAsksMostOfNoisyTimesteps) {
  AdapterSettings settings;
  settings.debiased = true;
  for (const auto prediction : {Prediction::kNoise, Prediction::kVelocity}) {
    const auto batch = DenoisingTask(model_of(prediction), settings, pictures(1), {}).batch(3);
    for (int64_t row = 0; row < 2; ++row) {
      const double snr = alpha_of(batch, row) / (1 - alpha_of(batch, row));
      const double expected =
          prediction == Prediction::kNoise ? 1 / std::sqrt(std::min(snr, 1000.0)) : 1 / (snr + 1);
      EXPECT_NEAR(batch.weight[row].item<double>(), expected, 1e-5 * expected);
    }
  }
}

TEST(DenoisingTask, PriorPicturesAddALossOfTheirOwn) {
  AdapterSettings settings;
  settings.prior_weight = 0.25;
  const auto batch =
      DenoisingTask(model_of(Prediction::kNoise), settings, pictures(3), pictures(2, 10)).batch(0);
  ASSERT_EQ(batch.pictures.size(), 4u);
  for (const std::size_t row : {0, 1}) EXPECT_LT(batch.pictures[row], 3);
  for (const std::size_t row : {2, 3}) EXPECT_GE(batch.pictures[row], 3);
  // Errors of 1, 1 and of 4, 4.
  auto prediction = batch.target.clone();
  prediction.narrow(0, 0, 2).add_(1);
  prediction.narrow(0, 2, 2).add_(2);
  EXPECT_NEAR(denoising_loss(batch, prediction, 2).item<double>(), 1 + 0.25 * 4, 1e-5);
}

TEST(DenoisingTask, NoiseOffsetIsTheSameInAllPixels) {
  AdapterSettings plain, shifted;
  shifted.noise_offset = 0.5;
  const auto model = model_of(Prediction::kNoise);
  const auto difference = DenoisingTask(model, shifted, pictures(1), {}).batch(2).target -
                          DenoisingTask(model, plain, pictures(1), {}).batch(2).target;
  EXPECT_GT(difference.abs().max().item<double>(), 0.01);
  EXPECT_LT((difference - difference.mean({2, 3}, true)).abs().max().item<double>(), 1e-6);
}

TEST(RateAt, RisesStaysAndFalls) {
  AdapterSettings settings;
  settings.learning_rate = 1;
  settings.warmup = 4;
  settings.steps = 12;
  EXPECT_DOUBLE_EQ(rate_at(settings, 0), 0.25);
  EXPECT_DOUBLE_EQ(rate_at(settings, 3), 1);
  EXPECT_DOUBLE_EQ(rate_at(settings, 11), 1);
  settings.schedule = RateSchedule::kLinear;
  EXPECT_DOUBLE_EQ(rate_at(settings, 8), 0.5);
  settings.schedule = RateSchedule::kCosine;
  EXPECT_NEAR(rate_at(settings, 8), 0.5, 1e-12);
  EXPECT_NEAR(rate_at(settings, 6), 0.5 + std::sqrt(0.125), 1e-12);
}

}  // namespace
}  // namespace sd::train
