#pragma once

#include <torch/types.h>

#include <memory>
#include <optional>
#include <vector>

#include "cli/draw/attn_run.h"
#include "cli/draw/draw_controls.h"
#include "cli/draw/edit_masks.h"
#include "cli/draw/input_picture.h"
#include "cli/draw/previews.h"
#include "cli/draw/run_controls.h"
#include "cli/draw/run_inversion.h"
#include "cli/draw/run_records.h"
#include "cli/draw/run_words.h"
#include "cli/draw/start_latents.h"
#include "cli/plan/run_extent.h"
#include "sd/pipeline/draw.h"
#include "sd/pipeline/run_noise.h"
#include "sd/pipeline/sample_noise.h"

namespace sd::cli {

/// Draws the batches of a run in their order: gives each its noise, its start, its input picture
/// and its controls, and runs the model.
class BatchDrawer {
 public:
  /// All of these must outlive it but the control nets, of which there is one for each picture of
  /// `inputs.controls`.
  BatchDrawer(const Drawing& drawing, const LoadedModel& model, const RunInputs& inputs,
              const std::vector<std::shared_ptr<const LoadedControl>>& nets, RunControls& controls,
              AttnRun& attn, RunWords& words);

  DrawResult draw(const Batch& batch);
  /// Passes over a batch that `--only` leaves out or that is drawn on another device: it takes its
  /// random numbers from the common stream, unless no picture behind it wants any.
  void skip(const Batch& batch);

  /// What pixels of the batch that was drawn last are pasted by, a mask a sample; empty where that
  /// is the same in the whole run.
  const std::vector<std::shared_ptr<const SizedMask>>& masks() const { return masks_; }
  /// What blended the batch that was drawn last; null where nothing did.
  std::shared_ptr<const LocalBlend> blend() const { return controls_.blend; }

 private:
  std::vector<PromptSet> sets_of(const Batch& batch) const;
  std::vector<PromptSet> sets_of(const RunPrompts& prompts, const Batch& batch) const;
  DrawRequest request_for(const Batch& batch);
  void attach_prompts(DrawRequest& request, const Batch& batch) const;
  void attach_input(DrawRequest& request, const Batch& batch);
  /// Makes the masks of a batch whose pictures have one each.
  void make_masks(const Batch& batch);
  /// What targets and their source are blended by, [1 or N,1,h,w]; undefined: nothing.
  torch::Tensor swap_mask() const;
  void attach_regions(DrawRequest& request, const Batch& batch) const;
  void attach_networks(DrawRequest& request, const Batch& batch) const;
  void attach_controls(DrawRequest& request, const Batch& batch);
  void give_cells_their_own(DrawRequest& request, const Batch& batch) const;
  DrawResult run(const Batch& batch, DrawRequest& request);
  std::unique_ptr<SampleNoise> noise_of_cells(const Batch& batch) const;
  torch::Tensor starts_of_cells(const Batch& batch, SampleNoise& noise) const;

  const DrawPlan& plan_;
  const bool shares_cells_;
  int64_t last_batch_ = -1;  // behind it nothing is drawn with the model; -1: something may be
  const LoadedModel& model_;
  const RunInputs& inputs_;
  std::vector<ControlUse> nets_;
  RunControls& run_controls_;
  AttnRun& attn_;
  RunWords& words_;
  Previews previews_;
  RunNoise noise_;
  std::optional<StartLatents> start_;  // cells have one each
  std::vector<std::shared_ptr<const ImagePrompt>> image_prompts_;
  std::shared_ptr<const Inversion> inversion_;   // what pictures are drawn along; null: nothing
  std::shared_ptr<const Inversion> appearance_;  // of --appearance-from; null: none
  AutoMasks auto_masks_;
  std::vector<std::shared_ptr<const SizedMask>> masks_;  // of the batch being drawn
  std::shared_ptr<LatentEdit> latent_edit_;              // likewise
  BatchControls controls_;                               // likewise
  std::shared_ptr<AttentionController> controller_;      // those with what observes them
};

}  // namespace sd::cli
