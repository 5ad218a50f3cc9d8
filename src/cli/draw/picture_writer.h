#pragma once

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/draw/attn_run.h"
#include "cli/draw/edit_masks.h"
#include "cli/draw/input_picture.h"
#include "cli/draw/kept_model.h"
#include "cli/draw/picture_files.h"
#include "cli/draw/run_grids.h"
#include "cli/draw/run_records.h"
#include "cli/draw/run_words.h"
#include "cli/shell/text_output.h"
#include "sd/control/local_blend.h"
#include "sd/pipeline/draw.h"

namespace sd::cli {

/// A batch that was drawn, and what drew it.
struct DrawnBatch {
  Batch batch;
  DrawResult result;
  std::shared_ptr<const LocalBlend> blend;              // what edited it, or null
  std::vector<std::shared_ptr<const SizedMask>> masks;  // of each sample; empty: the run's
  BatchSeconds seconds;
  AttnRun& attn;
  RunWords& words;
};

/// What a run writes: pictures, the sources beside them, maps, final latents, grids; and on stdout
/// where they are.
class PictureWriter {
 public:
  /// Makes the folders. Throws IoError if they cannot be written. All of these must outlive it.
  PictureWriter(const Drawing& drawing, const RunInputs& inputs, KeptModel& kept, RunWords& words);

  /// Once the model is loaded: from here on pictures know what they were drawn with.
  void know_model(const LoadedModel& model);

  /// Whether every picture of a task that is resumed is there already. Tells its outcome so.
  bool finds_all();

  /// Writes what was drawn of a batch, whose pictures it may take.
  void write(DrawnBatch& drawn);

  /// Writes what is of the whole run: latents and grids.
  void finish();
  /// Of a run that ends early: latents, and says what is kept.
  void finish_early() const;

  const RunRecord& run() const { return records_.run(); }
  std::size_t saved() const { return saved_; }

 private:
  void paste(DrawnBatch& drawn) const;
  void put_sources_back(DrawnBatch& drawn) const;
  std::filesystem::path save_picture(const DrawnBatch& drawn, const PictureRecord& record,
                                     const Image& picture);
  void save_source(const DrawnBatch& drawn, const PictureRecord& target, const Image& picture,
                   const std::filesystem::path& sample);
  void print(const DrawnBatch& drawn, const PictureRecord& record,
             const std::filesystem::path& path);
  void save_maps(AttnRun& attn, const PictureRecord& record, const Image& picture,
                 const std::filesystem::path& path);
  void keep_latents(const Batch& batch, const torch::Tensor& latents);
  void save_latents() const;

  const DrawPlan& plan_;
  const RunInputs& inputs_;
  KeptModel& kept_;
  RunRecords records_;
  std::optional<PictureFiles> files_;  // where any are written
  RunGrids grids_;
  StandardOutput output_;
  std::vector<torch::Tensor> latents_, source_latents_;  // kept for --save-latents
  std::size_t saved_ = 0;
};

}  // namespace sd::cli
