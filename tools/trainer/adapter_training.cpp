#include "trainer/adapter_training.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/model_hash.h"
#include "trainer/stage_clock.h"

namespace sd::train {
namespace {

constexpr int64_t kEncodedTogether = 16;  // captions
constexpr int kMostFailures = 20;         // steps in a row whose gradients are no numbers

/// The side of the pictures; a UNet halves the latents once a level.
int64_t side_of(const AdapterSettings& settings, const ModelConfig& config) {
  const int64_t side = settings.resolution > 0 ? settings.resolution : config.default_pixels();
  const int64_t multiple = config.vae.factor() << (config.unet.channel_mult.size() - 1);
  if (side % multiple == 0) return side;
  throw UsageError(
      fmt::format("--resolution {}: this model takes multiples of {}", side, multiple));
}

std::filesystem::path snapshot_path(const std::filesystem::path& out, int64_t step) {
  auto name = out;
  name.replace_filename(
      fmt::format("{}-{:06}{}", out.stem().string(), step, out.extension().string()));
  return name;
}

void tell_of_long_captions(const RunContext& run, const FrozenModel& model,
                           const TrainingPictures& pictures) {
  int64_t cut = 0;
  for (const auto& caption : pictures.captions) {
    if (!model.tokenizer->encode(caption).cut.empty()) ++cut;
  }
  if (cut == 0) return;
  run.say(
      fmt::format("{} of {} captions are longer than the text encoder takes: their ends do not "
                  "count",
                  cut, pictures.captions.size()));
}

}  // namespace

const std::string& AdapterPictures::caption(int64_t number) const {
  const auto at = static_cast<std::size_t>(number);
  return at < data.captions.size() ? data.captions[at] : prior.captions[at - data.captions.size()];
}

std::optional<AdapterPictures> adapter_pictures(const RunContext& run, FrozenModel& model,
                                                const AdapterSettings& settings) {
  const int64_t side = side_of(settings, model.config);
  const auto read = [&](const std::filesystem::path& folder, const char* cache) {
    return encode_pictures(run, model, read_caption_folder(folder, settings.caption), side,
                           settings.work / cache);
  };
  AdapterPictures pictures;
  auto data = read(settings.data, "latents.safetensors");
  if (!data) return std::nullopt;
  pictures.data = std::move(*data);
  if (!settings.prior.empty()) {
    auto prior = read(settings.prior, "prior-latents.safetensors");
    if (!prior) return std::nullopt;
    pictures.prior = std::move(*prior);
  }
  tell_of_long_captions(run, model, pictures.data);
  return pictures;
}

std::string settings_text(const AdapterSettings& settings, const FrozenModel& model,
                          const AdapterPictures& pictures, const std::string& more) {
  nlohmann::ordered_json text = {
      {"model", model_hash(model.main_file)},
      {"pictures", pictures.data.hash.substr(0, 10)},
      {"prior", pictures.priors() > 0 ? pictures.prior.hash.substr(0, 10) : "none"},
      {"resolution", pictures.data.mean.size(3) * model.config.vae.factor()},
      {"batch", settings.batch},
      {"steps", settings.steps},
      {"seed", settings.seed},
      {"learning-rate", settings.learning_rate},
      {"schedule", static_cast<int>(settings.schedule)},
      {"warmup", settings.warmup},
      {"caption-dropout", settings.caption_dropout},
      {"noise-offset", settings.noise_offset},
      {"min-snr", settings.min_snr},
      {"debiased", settings.debiased},
      {"prior-weight", settings.prior_weight},
      {"prediction", std::string(name_of(*model.config.prediction))},
      {"dtype", model.dtype == at::kBFloat16 ? "bf16" : "f32"}};
  text.update(nlohmann::ordered_json::parse(more));
  return text.dump();
}

bool train_adapter(const RunContext& run, const AdapterSettings& settings,
                   const DenoisingTask& task, const Adapter& adapter) {
  const StateFile state(settings.work, adapter.stage, adapter.settings);
  if (!state.exists()) require_new(settings.out);
  Optimizer optimizer(adapter.parameters, adapter.optimizer);
  Position position;
  TensorMap loaded;
  state.load(adapter.parameters, optimizer, position, loaded, run.say);
  StageClock clock(run, adapter.stage, settings.steps * settings.batch, position);
  int failures = 0;
  while (!clock.done() && !run.stop_requested()) {
    const auto batch = task.batch(position.step);
    const auto loss = denoising_loss(batch, adapter.predict(batch), settings.batch);
    loss.backward();
    const double rate = rate_at(settings, position.step);
    const double norm = optimizer.step(rate);
    failures = std::isfinite(norm) ? 0 : failures + 1;
    if (failures >= kMostFailures) {
      throw Error(fmt::format(
          "{}: the gradients of {} steps in a row are no numbers\nLower --learning-rate, and begin "
          "anew: remove {}.",
          adapter.stage, failures, settings.work.string()));
    }
    clock.count(settings.batch, {{"loss", loss.item<double>()}}, rate, norm);
    if (settings.save_every > 0 && position.step % settings.save_every == 0 && !clock.done())
      adapter.write(snapshot_path(settings.out, position.step), position.step);
    if (clock.time_to_save()) state.save(adapter.parameters, optimizer, position);
  }
  state.save(adapter.parameters, optimizer, position);
  if (!clock.done()) return false;
  adapter.write(settings.out, position.step);
  return true;
}

CaptionContexts::CaptionContexts(FrozenModel& model, const AdapterPictures& pictures) {
  const c10::AutoGradMode no_gradients(false);
  std::vector<std::string> captions = pictures.data.captions;
  captions.insert(captions.end(), pictures.prior.captions.begin(), pictures.prior.captions.end());
  captions.emplace_back();
  const auto ids = caption_ids(model, *model.tokenizer, captions);
  std::vector<torch::Tensor> parts;
  for (const auto& part : ids.split(kEncodedTogether))
    parts.push_back(model.model->text->forward(part).to(model.dtype));
  contexts_ = at::cat(parts);
}

torch::Tensor CaptionContexts::of(const NoisyBatch& batch) const {
  auto rows = batch.pictures;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (batch.dropped[row]) rows[row] = contexts_.size(0) - 1;
  }
  return contexts_.index_select(0, at::tensor(rows, at::kLong).to(contexts_.device()));
}

torch::Tensor caption_ids(const FrozenModel& model, const Tokenizer& tokenizer,
                          const std::vector<std::string>& captions) {
  std::vector<int64_t> ids;
  for (const auto& caption : captions) {
    const auto encoded = tokenizer.encode(caption, tokenizer.length());
    ids.insert(ids.end(), encoded.ids.begin(), encoded.ids.end());
  }
  return at::tensor(ids, at::kLong)
      .view({static_cast<int64_t>(captions.size()), tokenizer.length()})
      .to(model.device);
}

std::vector<std::string> captions_of(const NoisyBatch& batch, const AdapterPictures& pictures) {
  std::vector<std::string> captions;
  for (std::size_t row = 0; row < batch.pictures.size(); ++row)
    captions.push_back(batch.dropped[row] ? std::string() : pictures.caption(batch.pictures[row]));
  return captions;
}

torch::Tensor predict_noise(FrozenModel& model, const NoisyBatch& batch,
                            const torch::Tensor& context) {
  const auto x = batch.x.to(model.device, model.dtype).contiguous(at::MemoryFormat::ChannelsLast);
  return model.model->unet->forward(x, batch.t.to(model.device), context.to(model.dtype),
                                    ForwardContext());
}

}  // namespace sd::train
