#include "trainer/unet_stage.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <memory>

#include "sd/core/error.h"
#include "sd/diffusion/schedule.h"
#include "sd/models/latent_diffusion.h"
#include "trainer/assemble.h"
#include "trainer/attention_supervision.h"
#include "trainer/diffusion_loss.h"
#include "trainer/initialize.h"
#include "trainer/place_supervision.h"
#include "trainer/stage_clock.h"
#include "trainer/training_dtype.h"
#include "trainer/vocabulary.h"

namespace sd::train {
namespace {

constexpr const char* kStage = "unet";
constexpr const char* kVocabulary = "vocabulary";
constexpr double kTaperFrom = 0.7;  // share of the stage

ModelConfig with_vocabulary(ModelConfig config, int64_t size) {
  config.text.vocabulary = size;
  return config;
}

OptimizerSettings settings_of(const Recipe& recipe) {
  auto settings = recipe.optimizer;
  settings.muon_rate = recipe.unet.muon_rate;
  return settings;
}

std::vector<ParameterSlot> trained_slots(LatentDiffusion& model) {
  auto slots = parameter_slots(*model);
  std::erase_if(slots,
                [](const auto& slot) { return slot.name.starts_with("first_stage_model."); });
  return slots;
}

/// The scenes of each step: every epoch is a permutation of all, told by the seed and its number.
class Epochs {
 public:
  Epochs(int64_t scenes, int64_t batch, uint64_t seed)
      : batches_(scenes / batch), scenes_(scenes), batch_(batch), seed_(seed) {}

  torch::Tensor indices(int64_t step) {
    if (step / batches_ != epoch_) {
      epoch_ = step / batches_;
      auto generator =
          at::make_generator<at::CPUGeneratorImpl>(seed_ + static_cast<uint64_t>(epoch_));
      order_ = at::randperm(scenes_, generator, at::kLong);
    }
    return order_.narrow(0, step % batches_ * batch_, batch_);
  }

 private:
  int64_t batches_, scenes_, batch_;
  uint64_t seed_;
  int64_t epoch_ = -1;
  torch::Tensor order_;
};

class UNetTraining {
 public:
  UNetTraining(const RunContext& run, const EncodedScenes& scenes, const CompactVocabulary& words)
      : run_(run),
        stage_(run.recipe.unet),
        scenes_(scenes),
        words_(words),
        model_(with_vocabulary(run.recipe.model, words.size())),
        parameters_(trained_slots(model_), run.device),
        optimizer_(parameters_, settings_of(run.recipe)),
        epochs_(scenes.size(), stage_.batch, run.recipe.seed) {
    const auto& config = run.recipe.model;
    alphas_cumprod_ =
        NoiseSchedule::sqrt_linear(config.linear_start, config.linear_end, config.timesteps)
            .alphas_cumprod;
    alpha_ = at::tensor(alphas_cumprod_, at::kDouble);  // on the CPU, where t is drawn
    weight_ = at::tensor(loss_weights(alphas_cumprod_, stage_.max_loss_weight), at::kFloat);
  }

  FlatParameters& parameters() { return parameters_; }
  Optimizer& optimizer() { return optimizer_; }

  void step(StageClock& clock, int64_t step) {
    auto generator =
        at::make_generator<at::CPUGeneratorImpl>(run_.recipe.seed + static_cast<uint64_t>(step));
    const auto indices = epochs_.indices(step);
    const auto of_batch = [&](const torch::Tensor& all) {
      return all.index_select(0, indices).to(run_.device);
    };
    const auto z = scenes_.latents.index_select(0, indices).to(at::kFloat);  // [N,4,h,w]
    const auto t = stratified_timesteps(z.size(0), run_.recipe.model.timesteps,
                                        stage_.timestep_power, generator);
    const auto alpha = alpha_.index_select(0, t).view({-1, 1, 1, 1});
    const auto noise =
        at::randn(z.sizes(), generator, z.options()) +
        stage_.offset_noise * at::randn({z.size(0), z.size(1), 1, 1}, generator, z.options());
    const auto x = alpha.sqrt().to(at::kFloat) * z + (1 - alpha).sqrt().to(at::kFloat) * noise;

    const auto groups = of_batch(scenes_.groups), masks = of_batch(scenes_.masks);
    AttentionSupervision supervision(groups, masks);
    ForwardContext forward;
    forward.controller = &supervision;
    const auto dtype = training_dtype(run_.device);
    const auto ids = scenes_.ids.index_select(0, indices);
    const auto context = model_->text->forward(words_.compact(ids).to(run_.device), dtype);
    const auto noisy = x.to(run_.device, dtype).contiguous(at::MemoryFormat::ChannelsLast);
    const auto eps = model_->unet->forward(noisy, t.to(run_.device), context, forward);
    const auto error =
        (eps.to(at::kFloat) - noise.to(run_.device)).square().mean({1, 2, 3});  // [N]
    const auto diffusion = (error * weight_.index_select(0, t).to(run_.device)).mean();
    const auto attention = supervision.loss();
    const double taper = clock.share() < kTaperFrom ? 1.0 : stage_.attention_final_share;
    const auto place = place_loss(context, groups, ids.to(run_.device), masks);
    (diffusion + stage_.attention_weight * taper * attention + stage_.place_weight * place)
        .backward();
    const double rate = stage_.learning_rate.at(clock.share(), step);
    const double norm = optimizer_.step(rate);
    clock.count(z.size(0),
                {{"eps", error.mean().item<double>()},
                 {"diffusion", diffusion.item<double>()},
                 {"attention", attention.item<double>()},
                 {"place", place.item<double>()}},
                rate, norm);
  }

 private:
  const RunContext& run_;
  const UNetStage& stage_;
  const EncodedScenes& scenes_;
  const CompactVocabulary& words_;
  LatentDiffusion model_;
  FlatParameters parameters_;
  Optimizer optimizer_;
  Epochs epochs_;
  std::vector<double> alphas_cumprod_;
  torch::Tensor alpha_, weight_;
};

/// Weights of an exported model, its embedding's rows picked by the compact vocabulary.
void start_from(const std::filesystem::path& model, FlatParameters& parameters,
                const CompactVocabulary& words, const RunContext& run) {
  const int64_t found = load_by_name(model, parameters);
  run.say(fmt::format("UNet and text encoder: {} of {} tensors from {}",
                      found + load_word_rows(model, parameters, words.rows()),
                      parameters.entries().size(), model.string()));
}

}  // namespace

bool train_unet(const RunContext& run, const EncodedScenes& scenes, const TensorMap& vae,
                const std::filesystem::path& init) {
  const CompactVocabulary words(scenes.ids);
  UNetTraining training(run, scenes, words);
  const StateFile state(run.folder, kStage);
  const TensorMap extra = {{kVocabulary, words.rows()}};
  Position position;
  TensorMap loaded;
  initialize(training.parameters(), run.recipe.seed);
  if (!state.load(training.parameters(), training.optimizer(), position, loaded, run.say)) {
    if (!init.empty()) start_from(init, training.parameters(), words, run);
    training.optimizer().average.copy_(training.parameters().values());
  }
  StageClock clock(run, kStage, run.recipe.unet.pictures, position);
  while (!clock.done() && !run.stop_requested()) {
    training.step(clock, position.step);
    if (clock.time_to_save()) {
      state.save(training.parameters(), training.optimizer(), position, extra);
    }
    if (clock.time_to_draw()) {
      draw_sheet(run, assemble(training.parameters(), training.optimizer().average, words, vae),
                 run.folder / "sheets" / fmt::format("{:09}.png", position.pictures));
    }
  }
  state.save(training.parameters(), training.optimizer(), position, extra);
  return clock.done();
}

TensorMap trained_model(const RunContext& run, const TensorMap& vae) {
  const StateFile state(run.folder, kStage);
  const auto rows = state.tensor(kVocabulary);
  const CompactVocabulary words(rows);
  LatentDiffusion model(with_vocabulary(run.recipe.model, words.size()));
  FlatParameters parameters(trained_slots(model));
  Optimizer optimizer(parameters, settings_of(run.recipe));
  Position position;
  TensorMap loaded;
  state.load(parameters, optimizer, position, loaded, run.say);
  return assemble(parameters, optimizer.average, words, vae);
}

}  // namespace sd::train
