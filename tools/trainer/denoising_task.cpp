#include "trainer/denoising_task.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sd/diffusion/schedule.h"
#include "trainer/diffusion_loss.h"

namespace sd::train {
namespace {

// Beyond these, weights by the SNR would be all that counts.
constexpr double kLeastSnr = 1e-3, kMostSnr = 1e3;
constexpr double kLastAlpha = 1e-12;  // of a schedule that ends in pure noise

// Streams of random numbers of one seed.
constexpr uint64_t kNoise = 0, kOrder = 1, kPriorOrder = 2;

at::Generator generator_of(int64_t seed, uint64_t stream, int64_t index) {
  // SplitMix64's finaliser: neighbours share nothing.
  uint64_t mixed = static_cast<uint64_t>(seed) * 0x9e3779b97f4a7c15ULL +
                   static_cast<uint64_t>(index) * 4 + stream;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return at::make_generator<at::CPUGeneratorImpl>(mixed ^ (mixed >> 31));
}

std::vector<double> schedule_of(const ModelConfig& config) {
  auto schedule =
      NoiseSchedule::sqrt_linear(config.linear_start, config.linear_end, config.timesteps);
  if (config.zero_terminal_snr) schedule = schedule.with_zero_terminal_snr(kLastAlpha);
  return schedule.alphas_cumprod;
}

torch::Tensor joined(const torch::Tensor& pictures, const torch::Tensor& prior) {
  return prior.defined() ? at::cat({pictures, prior}) : pictures;
}

}  // namespace

double rate_at(const AdapterSettings& settings, int64_t step) {
  if (step < settings.warmup)
    return settings.learning_rate * static_cast<double>(step + 1) /
           static_cast<double>(settings.warmup);
  const double share = static_cast<double>(step - settings.warmup) /
                       static_cast<double>(std::max<int64_t>(1, settings.steps - settings.warmup));
  switch (settings.schedule) {
    case RateSchedule::kLinear:
      return settings.learning_rate * (1 - share);
    case RateSchedule::kCosine:
      return settings.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * share));
    case RateSchedule::kConstant:
      break;
  }
  return settings.learning_rate;
}

DenoisingTask::DenoisingTask(const ModelConfig& config, const AdapterSettings& settings,
                             const TrainingPictures& pictures, const TrainingPictures& prior)
    : settings_(settings),
      velocity_(config.prediction == Prediction::kVelocity),
      pictures_(pictures.size()),
      priors_(prior.mean.defined() ? prior.size() : 0),
      mean_(joined(pictures.mean, prior.mean)),
      deviation_(joined(pictures.deviation, prior.deviation)),
      alphas_cumprod_(schedule_of(config)) {}

int64_t DenoisingTask::shown(int64_t place, int64_t pictures, uint64_t kind) const {
  auto generator = generator_of(settings_.seed, kind, place / pictures);
  return at::randperm(pictures, generator, at::kLong)[place % pictures].item<int64_t>();
}

double DenoisingTask::weight_of(double alpha) const {
  const double snr = alpha / (1 - alpha);
  if (settings_.debiased)
    return velocity_ ? 1 / (snr + 1) : 1 / std::sqrt(std::clamp(snr, kLeastSnr, kMostSnr));
  if (settings_.min_snr <= 0) return 1;
  return std::min(snr, settings_.min_snr) / (velocity_ ? snr + 1 : snr);
}

NoisyBatch DenoisingTask::batch(int64_t step) const {
  NoisyBatch batch;
  const int64_t rows = settings_.batch;
  for (int64_t row = 0; row < rows; ++row)
    batch.pictures.push_back(shown(step * rows + row, pictures_, kOrder));
  for (int64_t row = 0; priors_ > 0 && row < rows; ++row)
    batch.pictures.push_back(pictures_ + shown(step * rows + row, priors_, kPriorOrder));

  auto generator = generator_of(settings_.seed, kNoise, step);
  const auto count = static_cast<int64_t>(batch.pictures.size());
  const auto numbers = at::tensor(batch.pictures, at::kLong);
  const auto mean = mean_.index_select(0, numbers);
  const auto z = mean + deviation_.index_select(0, numbers) *
                            at::randn(mean.sizes(), generator, mean.options());
  auto noise = at::randn(mean.sizes(), generator, mean.options());
  const auto offset = at::randn({count, mean.size(1), 1, 1}, generator, mean.options());
  if (settings_.noise_offset > 0) noise = noise + settings_.noise_offset * offset;
  batch.t = stratified_timesteps(count, static_cast<int64_t>(alphas_cumprod_.size()), 1, generator);
  const auto drawn = at::rand({count}, generator, at::kDouble);

  std::vector<double> alphas, weights;
  for (int64_t row = 0; row < count; ++row) {
    batch.dropped.push_back(drawn[row].item<double>() < settings_.caption_dropout);
    alphas.push_back(alphas_cumprod_[static_cast<std::size_t>(batch.t[row].item<int64_t>())]);
    weights.push_back((row < rows ? 1 : settings_.prior_weight) * weight_of(alphas.back()));
  }
  const auto alpha = at::tensor(alphas, at::kDouble).view({-1, 1, 1, 1});
  const auto signal = alpha.sqrt().to(at::kFloat), spread = (1 - alpha).sqrt().to(at::kFloat);
  batch.x = signal * z + spread * noise;
  batch.target = velocity_ ? signal * noise - spread * z : noise;
  batch.weight = at::tensor(weights, at::kFloat);
  return batch;
}

torch::Tensor denoising_loss(const NoisyBatch& batch, const torch::Tensor& prediction,
                             int64_t rows) {
  const auto target = batch.target.to(prediction.device());
  const auto error = (prediction.to(at::kFloat) - target).square().mean({1, 2, 3});  // [R]
  return (error * batch.weight.to(prediction.device())).sum() / static_cast<double>(rows);
}

}  // namespace sd::train
