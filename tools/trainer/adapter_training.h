#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "trainer/adapter_settings.h"
#include "trainer/denoising_task.h"
#include "trainer/flat_parameters.h"
#include "trainer/frozen_model.h"
#include "trainer/optimizer.h"
#include "trainer/run_context.h"
#include "trainer/training_pictures.h"

namespace sd::train {

/// Pictures to learn from, and those of what is to be kept.
struct AdapterPictures {
  TrainingPictures data;
  TrainingPictures prior;  // may be without pictures
  int64_t priors() const { return prior.mean.defined() ? prior.size() : 0; }

  /// Of a row of a batch.
  const std::string& caption(int64_t number) const;
};

/// What is trained beside a model.
struct Adapter {
  std::string stage;                                        // names state and log
  FlatParameters& parameters;                               // that are trained
  OptimizerSettings optimizer;                              //
  std::string settings;                                     // JSON, what decides the run
  std::function<torch::Tensor(const NoisyBatch&)> predict;  // what the UNet makes of a batch
  std::function<void(const std::filesystem::path&, int64_t steps)> write;  // the result so far
};

/// Reads and encodes the pictures of the settings, at the resolution that they come to. Nothing if
/// stopped. Throws as its parts do, and UsageError for a resolution that the model cannot take.
std::optional<AdapterPictures> adapter_pictures(const RunContext& run, FrozenModel& model,
                                                const AdapterSettings& settings);

/// What decides a run, as a JSON object: settings, model and pictures; `more` is another such
/// object, of what is trained.
std::string settings_text(const AdapterSettings& settings, const FrozenModel& model,
                          const AdapterPictures& pictures, const std::string& more);

/// Trains until settings.steps are done, from the state in settings.work where there is one, and
/// writes settings.out. Returns false if the user stopped it; the same call goes on then, to the
/// same bytes. Throws UsageError where settings.out is there before any state, Error where
/// gradients are no numbers.
bool train_adapter(const RunContext& run, const AdapterSettings& settings,
                   const DenoisingTask& task, const Adapter& adapter);

/// Text contexts [R,T,D] of a batch by captions that never change. Encoded once, on first use.
class CaptionContexts {
 public:
  CaptionContexts(FrozenModel& model, const AdapterPictures& pictures);
  torch::Tensor of(const NoisyBatch& batch) const;

 private:
  torch::Tensor contexts_;  // [pictures + 1,T,D], the empty caption's last
};

/// The ids of captions, [R,T] int64 on the model's device: those that fit.
torch::Tensor caption_ids(const FrozenModel& model, const Tokenizer& tokenizer,
                          const std::vector<std::string>& captions);

/// The captions of a batch; those that are dropped are empty.
std::vector<std::string> captions_of(const NoisyBatch& batch, const AdapterPictures& pictures);

/// What the model's UNet predicts of a batch with this context.
torch::Tensor predict_noise(FrozenModel& model, const NoisyBatch& batch,
                            const torch::Tensor& context);

}  // namespace sd::train
