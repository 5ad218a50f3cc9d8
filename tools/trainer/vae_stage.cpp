#include "trainer/vae_stage.h"

#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <cmath>

#include "sd/core/error.h"
#include "sd/core/noise_source.h"
#include "sd/models/vae.h"
#include "sd/weights/load_weights.h"
#include "sd/weights/open.h"
#include "trainer/initialize.h"
#include "trainer/picture_batches.h"
#include "trainer/stage_clock.h"
#include "trainer/training_dtype.h"

namespace sd::train {
namespace {

constexpr const char* kStage = "vae";
constexpr const char* kPrefix = "first_stage_model.";
constexpr int64_t kMomentScenes = 1024;  // that the latents' mean and deviation are taken over
constexpr uint64_t kUnseenSeed = 0x5eed;

std::vector<ParameterSlot> vae_slots(Vae& vae) {
  auto slots = parameter_slots(*vae);
  for (auto& slot : slots) slot.name = kPrefix + slot.name;
  return slots;
}

/// |∂y − ∂x| over both directions, mean over pixels.
torch::Tensor gradient_difference(const torch::Tensor& difference) {
  const int64_t side = difference.size(2);
  const auto down = difference.narrow(2, 1, side - 1) - difference.narrow(2, 0, side - 1);
  const auto right = difference.narrow(3, 1, side - 1) - difference.narrow(3, 0, side - 1);
  return down.abs().mean() + right.abs().mean();
}

struct VaeLoss {
  torch::Tensor total, l1, kl;
};

VaeLoss vae_loss(Vae& vae, const torch::Tensor& pictures, const VaeStage& stage, uint64_t seed) {
  const auto dtype = training_dtype(pictures.device());
  const auto moments = vae->encode(pictures.to(dtype));
  SeededNoise noise(seed, RngChoice::kCpu, pictures.device());
  const auto mean = moments.mean.to(at::kFloat), log_variance = moments.log_variance.to(at::kFloat);
  const auto z = mean + (0.5 * log_variance).exp() * noise.like(mean);
  const auto difference = vae->decode(z.to(dtype)).to(at::kFloat) - pictures;
  VaeLoss loss;
  loss.l1 = difference.abs().mean();
  loss.kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum({1, 2, 3}).mean();
  loss.total =
      loss.l1 + stage.gradient_weight * gradient_difference(difference) + stage.kl_weight * loss.kl;
  return loss;
}

void set_weights(Vae& vae, const TensorMap& weights) {
  for (auto& slot : vae_slots(vae)) slot.bind(weights.at(slot.name));
}

}  // namespace

bool train_vae(const RunContext& run, const SceneGenerator& scenes,
               const std::filesystem::path& init) {
  const auto& stage = run.recipe.vae;
  Vae vae(run.recipe.model.vae);
  FlatParameters parameters(vae_slots(vae), run.device);
  initialize(parameters, run.recipe.seed);
  if (!init.empty()) {
    run.say(fmt::format("autoencoder: {} of {} tensors from {}", load_by_name(init, parameters),
                        parameters.entries().size(), init.string()));
  }
  Optimizer optimizer(parameters, run.recipe.optimizer);
  const StateFile state(run.folder, kStage);
  Position position;
  TensorMap extra;
  state.load(parameters, optimizer, position, extra, run.say);

  PictureBatches batches(scenes, run.recipe.seed);
  StageClock clock(run, kStage, stage.pictures, position);
  while (!clock.done() && !run.stop_requested()) {
    const bool whole = clock.share() >= stage.whole_from;
    const PictureBatches::Shape shape{whole ? stage.whole_batch : stage.batch,
                                      whole ? kSceneSide : stage.crop};
    const double rate = stage.learning_rate.at(clock.share(), position.step);
    const auto pictures = batches.get(position.step, shape).to(run.device);
    const auto loss =
        vae_loss(vae, pictures, stage, run.recipe.seed + static_cast<uint64_t>(position.step));
    loss.total.backward();
    const double norm = optimizer.step(rate);
    clock.count(shape.batch, {{"l1", loss.l1.item<double>()}, {"kl", loss.kl.item<double>()}}, rate,
                norm);
    if (clock.time_to_save()) state.save(parameters, optimizer, position);
  }
  state.save(parameters, optimizer, position);
  return clock.done();
}

TensorMap finished_vae(const RunContext& run, const SceneGenerator& scenes) {
  Vae vae(run.recipe.model.vae);
  FlatParameters parameters(vae_slots(vae));
  Optimizer optimizer(parameters, run.recipe.optimizer);
  Position position;
  TensorMap extra;
  if (!StateFile(run.folder, kStage).load(parameters, optimizer, position, extra, run.say)) {
    throw UsageError(fmt::format("{}: there is no trained autoencoder\nRun `sd-train vae` first.",
                                 run.folder.string()));
  }
  TensorMap weights;
  for (const auto& entry : parameters.entries()) {
    weights[entry.name] = FlatParameters::view(optimizer.average, entry).clone();
  }
  const c10::InferenceMode inference;
  Vae averaged(run.recipe.model.vae);
  set_weights(averaged, weights);
  std::vector<torch::Tensor> means;
  PictureBatches batches(scenes, kUnseenSeed);
  constexpr int64_t kBatch = 16;
  for (int64_t step = 0; step < kMomentScenes / kBatch; ++step) {
    means.push_back(averaged->encode(batches.get(step, {kBatch, kSceneSide})).mean);
  }
  const auto all = at::cat(means);          // [N,z,h,w]
  const auto centre = all.mean({0, 2, 3});  // [z]
  const auto spread =
      all.std({0, 2, 3}, /*unbiased=*/false) * run.recipe.model.scale_factor;  // [z]
  const int64_t channels = centre.numel();
  auto& quant = weights[std::string(kPrefix) + "quant_conv.weight"];
  auto& quant_bias = weights[std::string(kPrefix) + "quant_conv.bias"];
  quant.narrow(0, 0, channels).div_(spread.view({-1, 1, 1, 1}));
  quant_bias.narrow(0, 0, channels).sub_(centre).div_(spread);
  quant_bias.narrow(0, channels, channels).sub_(2 * spread.log());  // of the log-variance
  auto& post = weights[std::string(kPrefix) + "post_quant_conv.weight"];
  auto& post_bias = weights[std::string(kPrefix) + "post_quant_conv.bias"];
  post_bias.add_(post.flatten(1).matmul(centre));
  post.mul_(spread.view({1, -1, 1, 1}));
  return weights;
}

TensorMap vae_of_model(const RunContext& run, const std::filesystem::path& model) {
  Vae vae(run.recipe.model.vae);
  const auto opened = open_model(model);
  TensorMap weights;
  for (const auto& slot : vae_slots(vae)) {
    weights[slot.name] = wrap_tensor(opened.tensors->at(slot.name)).to(at::kFloat).clone();
  }
  return weights;
}

double vae_psnr(const RunContext& run, const SceneGenerator& scenes, const TensorMap& weights,
                int64_t count) {
  const c10::InferenceMode inference;
  Vae vae(run.recipe.model.vae);
  set_weights(vae, weights);
  PictureBatches batches(scenes, kUnseenSeed + 1);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto picture = batches.get(i, {1, kSceneSide});
    const auto drawn = vae->decode(vae->encode(picture).mean).clamp(-1, 1);
    sum += -10 * std::log10((drawn - picture).square().mean().item<double>() / 4);
  }
  return sum / static_cast<double>(count);
}

}  // namespace sd::train
