#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "pipeline/batch_rows.h"
#include "pipeline/control_run.h"
#include "pipeline/image_rows.h"
#include "pipeline/network_layers.h"
#include "pipeline/prompt_contexts.h"
#include "pipeline/sharing_run.h"
#include "sd/diffusion/denoiser.h"
#include "sd/diffusion/sigmas.h"
#include "sd/models/feature_cache.h"
#include "sd/models/unet_gradients.h"
#include "sd/nn/column_edit.h"
#include "sd/nn/forward_edits.h"
#include "sd/nn/prompt_cache.h"
#include "sd/nn/time_table.h"
#include "sd/pipeline/latent_guide.h"

namespace sd {

/// The guidance that a model's kind and a request's scales and prompts come to.
Guidance guidance_of(const LoadedModel& model, const DrawRequest& request);

/// Binds a UNet to the contexts of one batch: a NoiseModel. Rows: those of BatchRows once for each
/// of the guidance's passes, or for the last of them alone; a row with fewer parts than others
/// repeats its last, which counts 0.
class BatchNoiseModel {
 public:
  /// Encodes the prompts. `extra` is what picture_channels gave, `timesteps` are those at which the
  /// steps begin; `controls` is null where there are none; `calls` counts the UNet calls and
  /// outlives this.
  BatchNoiseModel(const LoadedModel& model, const DrawRequest& request, const torch::Tensor& extra,
                  std::vector<double> timesteps, std::shared_ptr<ControlRun> controls,
                  int64_t* calls);

  torch::Tensor operator()(const torch::Tensor& x, double t, int64_t step);

  /// ε of other latents for the rows of the first pass that is not perturbed, whose attention no
  /// controller sees.
  torch::Tensor again(const torch::Tensor& x, double t, int64_t step);
  /// ε and maps of latents x [1,4,h,w] float32 for the conditional row of a target's sample, by its
  /// prompt alone and under autograd; not in inference mode.
  GradientOutputs with_gradients(const torch::Tensor& x, const GuidePlace& place,
                                 const GradientChoice& choice);
  /// Whether prompts are joined by AND.
  bool draws_parts() const { return !guidance_.part_weights.empty(); }
  /// What self-attention in the middle paid to each pixel in those rows of the last call.
  const torch::Tensor& attention() const { return sums_->sums; }
  /// What cross-attention paid to the tokens of a concept in the rows of its pass in the last call,
  /// [B,h,w]. Throws UsageError where no layer of that size looks at prompts.
  const torch::Tensor& concept_attention(std::size_t edit) const;

 private:
  /// Of one call: which rows of all, and the step.
  struct Call {
    int64_t first = 0, count = 0;
    bool again = false;
  };
  torch::Tensor predict(const torch::Tensor& x, double t, int64_t step, const Call& call);
  void make_edits(const DrawRequest& request);
  /// Says what guidance does inside of the UNet in these rows.
  void set_edits(const Call& call);
  void make_concepts(const DrawRequest& request);
  void make_regions(const DrawRequest& request);
  void set_concepts(const Call& call);
  void set_regions(const Call& call);
  void set_negative(const Call& call, bool perturbed);
  torch::Tensor time_condition() const;
  /// The row of all in which a target's sample is shown its prompt.
  int64_t conditional_row(const GuidePlace& place) const;
  /// What guidance does inside of the UNet in such a row.
  ForwardEdits edits_of(const GuidePlace& place) const;
  void add_pass(const DrawRequest& request, GuidancePass pass, int64_t part,
                const torch::Tensor& extra);
  void set_step(double t, int64_t step, const Call& call);
  torch::Tensor context_of(int64_t step, const Call& call);
  torch::Tensor evaluate(const torch::Tensor& input, const torch::Tensor& context);
  /// Which LoRAs rows have in this step.
  void take_networks(int64_t rows);
  /// The UNet, under the LoRAs of this step.
  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& context,
                        const ForwardContext& run);
  /// Notes the keys of the picture that rows look at beside themselves.
  void note_reference(const torch::Tensor& context, double alpha, const Call& call);
  /// What is predicted, pushed beyond what is predicted where no row looks at another.
  torch::Tensor pushed_by_sharing(const torch::Tensor& predicted, const torch::Tensor& input,
                                  const torch::Tensor& context);
  /// Turns what the controller does to this step into a ColumnEdit where it is one.
  void take_columns(const torch::Tensor& context);
  /// Which pictures are followed in this step.
  void take_images(const Call& call);
  void set_columns(std::optional<ColumnEdit> edit, const torch::Tensor& like);

  const LoadedModel& model_;
  SigmaTable sigmas_;
  std::shared_ptr<const BatchNetworks> networks_;
  std::vector<std::vector<double>> network_weights_;  // of the call before
  PromptContexts contexts_;
  torch::Tensor extra_;           // [R,C,h,w]; undefined where the UNet takes latents alone
  std::vector<RowGroup> groups_;  // of all rows
  torch::Tensor context_, last_contexts_;   // of all rows; of those that a step does with
  torch::Tensor again_context_;             // of the rows that are asked for again
  std::shared_ptr<ControlRun> controls_;    // as features_
  std::shared_ptr<FeatureCache> features_;  // shared by copies of this, which a std::function makes
  std::shared_ptr<PromptCache> prompt_ =
      std::make_shared<PromptCache>();                  // whoever holds a copy of this takes turns
  std::shared_ptr<TimeTable> times_;                    // as prompt_
  std::shared_ptr<std::unique_lock<std::mutex>> turn_;  // at the model's recorded UNet
  torch::Tensor timestep_;                              // [1], of the call before
  AttentionController* controller_ = nullptr;
  std::shared_ptr<SharingRun> sharing_;  // as prompt_; null: rows look at themselves
  std::shared_ptr<PromptCache> note_prompt_ = std::make_shared<PromptCache>();  // of its calls
  std::vector<bool> sees_prompt_;      // of all rows, which are those of a prompt
  std::shared_ptr<ImageRows> images_;  // as prompt_; null: no pictures are followed
  std::optional<ColumnEdit> columns_;  // of the last call; on a CPU, and where the model is
  std::shared_ptr<const ColumnEdit> columns_there_;
  ForwardContext run_;
  int64_t* calls_;
  // Guidance inside of the UNet.
  Guidance guidance_;
  int64_t pass_rows_ = 0;                // of each pass
  int64_t concept_rows_ = 0;             // of the concepts' passes, which are the first
  bool perturbs_ = false;                // the first pass behind them is
  std::vector<double> embedded_scales_;  // one, or one a row of a pass; empty: none
  std::vector<SiteChoice> perturbed_sites_;
  std::optional<PromptContexts>
      negative_;                         // of the rows of a pass; of attention that is pushed off
  std::shared_ptr<ForwardEdits> edits_;  // null: none
  std::shared_ptr<AttentionSums> sums_ = std::make_shared<AttentionSums>();
  std::shared_ptr<ConceptSums> concepts_;     // null: none
  std::shared_ptr<RegionAttention> regions_;  // null: none
  std::vector<PromptContexts> region_contexts_;
};

/// What guidance by concepts asks of it.
ConceptAttention concept_attention_of(const std::shared_ptr<BatchNoiseModel>& model);

/// What self-attention guidance asks of it.
SelfAttentionModel self_attention_of(const std::shared_ptr<BatchNoiseModel>& model);

}  // namespace sd
