#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "cli/maps/attn_folder.h"
#include "cli/options/attn_options.h"
#include "sd/control/map_recorder.h"
#include "sd/pipeline/load.h"

namespace sd::cli {

/// `--attn` and `--is_get_attn` over a run of several batches:
///
///     AttnRun attn(options, steps);
///     attn.prepare(model, latent_height, latent_width);
///     for each batch:
///       auto controller = attn.begin_batch({swap, reweight});  // outlives the batch
///       request.controller = controller.get();
///       result = draw(…);
///       for each picture: attn.write(row, {picture, path, attn_prompt(…)});
///
/// Pictures do not depend on it: it only observes.
class AttnRun {
 public:
  /// `options` were settled and checked (attn_words.h); `steps` is what was asked for.
  AttnRun(const AttnOptions& options, int64_t steps) : options_(options), steps_(steps) {}

  /// Makes the folders and proves that they can be written. Throws UsageError for a resolution or
  /// head that the model does not have for latents of this size, IoError if folders are not
  /// writable or maps of the fork's are there already.
  void prepare(const LoadedModel& model, std::shared_ptr<const Tokenizer> tokenizer,
               int64_t latent_height, int64_t latent_width);

  /// Starts a batch under `controls`, in their order. Recorders stand before them, or behind them
  /// for kind "applied"; the fork's own files always hold maps from before. Null if there is
  /// nothing to observe or control.
  std::shared_ptr<AttentionController> begin_batch(
      std::vector<std::shared_ptr<AttentionController>> controls = {});

  /// Writes the maps of one picture of the batch: `row` is target · samples + sample, with kind
  /// "source" the sample. Returns its folder; nothing without `--attn` or when no step was sampled.
  std::optional<std::filesystem::path> write(int64_t row, const AttnPicture& picture);

 private:
  void check(const ModelConfig& config) const;
  std::shared_ptr<AttentionController> save_maps();

  AttnOptions options_;
  int64_t steps_;
  int64_t latent_height_ = 0;
  int64_t latent_width_ = 0;
  int64_t batches_ = 0;
  std::optional<AttnFolder> folder_;
  std::shared_ptr<MapRecorder> recorder_;  // of this batch
};

/// What a recorder gathered of one row, at the latents' size; nothing if no step was recorded.
std::optional<PictureMaps> picture_maps(const MapRecorder& recorder, int64_t row, int64_t height,
                                        int64_t width);

}  // namespace sd::cli
