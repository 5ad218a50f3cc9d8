#include "trainer/lora_stage.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "pipeline/device.h"
#include "trainer/adapter_training.h"
#include "trainer/lora_file.h"
#include "trainer/lora_layers.h"

namespace sd::train {
namespace {

OptimizerSettings lora_optimizer() {
  OptimizerSettings settings;
  settings.beta2 = 0.999;  // PyTorch's, as kohya has it
  return settings;
}

std::string own_settings(const LoraSettings& settings) {
  const nlohmann::ordered_json text = {{"rank", settings.rank},
                                       {"alpha", settings.alpha},
                                       {"targets", static_cast<int>(settings.targets)},
                                       {"text-encoder", settings.text_encoder},
                                       {"conv", settings.convolutions}};
  return text.dump();
}

}  // namespace

bool train_lora(const RunContext& run, const LoraSettings& settings) {
  const auto dtype = resolve_precision(settings.dtype, run.device).compute;
  auto model = load_frozen(settings.model, run.device, dtype);
  LoraFactors factors(lora_targets(*model.model, settings), settings, run.device);
  const auto pictures = adapter_pictures(run, model, settings);
  if (!pictures) return false;
  const DenoisingTask task(model.config, settings, pictures->data, pictures->prior);
  std::optional<CaptionContexts> fixed;
  if (!settings.text_encoder) fixed.emplace(model, *pictures);
  run.say(fmt::format("lora: {} layers, rank {}, {} numbers; {} pictures of {} pixels",
                      factors.targets().size(), settings.rank,
                      factors.parameters().values().numel(), pictures->data.size(),
                      pictures->data.mean.size(3) * model.config.vae.factor()));

  const auto metadata = lora_metadata(settings, model, pictures->data, pictures->priors(),
                                      settings.out.stem().string());
  Adapter adapter{"lora",
                  factors.parameters(),
                  lora_optimizer(),
                  settings_text(settings, model, *pictures, own_settings(settings)),
                  {},
                  {}};
  adapter.predict = [&](const NoisyBatch& batch) {
    const auto additions = factors.additions(dtype);
    const AddingToLayers adding(additions, {{1.0}});
    const auto context =
        fixed ? fixed->of(batch)
              : model.model->text->forward(
                    caption_ids(model, *model.tokenizer, captions_of(batch, *pictures)), dtype);
    return predict_noise(model, batch, context);
  };
  adapter.write = [&](const std::filesystem::path& path, int64_t steps) {
    write_lora(path, factors, settings, metadata, steps);
  };
  return train_adapter(run, settings, task, adapter);
}

}  // namespace sd::train
