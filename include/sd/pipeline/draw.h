#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sd/control/latent_edit.h"
#include "sd/core/noise_source.h"
#include "sd/diffusion/samplers.h"
#include "sd/image/image.h"
#include "sd/nn/attention_controller.h"
#include "sd/pipeline/control_net.h"
#include "sd/pipeline/load.h"
#include "sd/pipeline/picture_settings.h"
#include "sd/pipeline/progress.h"
#include "sd/pipeline/row_networks.h"

namespace sd {

class EmbeddedWords;  // text/embedded_words.h
class ImagePrompt;    // pipeline/image_prompt.h
struct Inversion;     // pipeline/inversion.h
class LatentGuide;    // pipeline/latent_guide.h
struct DrawActs;      // pipeline/draw_acts.h
struct RowSharing;    // pipeline/row_sharing.h

/// What every way of drawing a batch of N samples asks for.
struct DrawSettings : PictureSettings {
  /// Chunks of 77 ids that the context of prompts has at least; controls must be made for as many.
  int64_t prompt_chunks = 1;
  /// Pixels, a multiple of 64; 0: what the model was trained for. With an input picture that
  /// picture's size.
  int64_t width = 0;
  int64_t height = 0;
  double image_guidance_scale = 1.5;  // InstructPix2Pix: how closely to follow the input picture
  SamplerKind sampler = SamplerKind::kDdim;
  /// Seeds of the samples' Brownian paths are this and the following numbers (SDE samplers only).
  uint64_t seed = 42;
  /// Start [N,4,h,w] float32, or with an input picture the noise that covers it; drawn from `noise`
  /// when absent. All branches of a sample share it.
  std::optional<torch::Tensor> start_latents;
  /// Also decode the pictures (off: latents only).
  bool decode = true;
  /// Decode this sample's alone; the others' pictures are empty.
  std::optional<int64_t> decode_only;
  /// Nothing is drawn with the model for a while after this: weights that decoding does not need
  /// may leave memory before it. A later drawing loads them again.
  bool last = false;
  /// Draw all random numbers that the batch takes and nothing else: no model is run, and latents
  /// mean nothing. For what comes behind a batch that is not wanted.
  bool noise_only = false;
  /// Learnt words that prompts may use beside the model's own (with_embeddings in embeddings.h);
  /// null: none.
  std::shared_ptr<const EmbeddedWords> embeddings;
  /// Pictures that are followed beside the prompt (image_prompt.h).
  std::vector<std::shared_ptr<const ImagePrompt>> image_prompts;
  /// Sees, and may change, attention; null leaves the fused kernels alone. Controllers that gather
  /// something gather it for one batch: give each batch its own.
  AttentionController* controller = nullptr;
  /// ControlNets and T2I-Adapters with the pictures they are shown; what they add is summed. All
  /// rows of the batch are shown the same. Not with deepcache.
  std::vector<ControlUse> controls;
  /// Which rows look at other rows in self-attention; null: none.
  std::shared_ptr<const RowSharing> sharing;
  /// Changes the latents after every step; null leaves them alone.
  LatentEdit* latent_edit = nullptr;
  /// Move the targets' latents before steps, one after the other, by gradients (latent_guide.h).
  /// One that has not learnt of other drawings; not with prompts joined by AND, ControlNets,
  /// pictures that are followed, LoRAs of some rows, deepcache or token_merging.
  std::vector<std::shared_ptr<LatentGuide>> guides;
  /// Is told what the methods of the drawing did; null: nobody asks, and nothing is measured. Made
  /// for as many concepts as `concept_edits` has with a scale.
  std::shared_ptr<DrawActs> acts;
  /// Called after every sampler step; false stops the run.
  std::function<bool(const StepReport&)> on_step;
  ProgressCallback on_progress;
};

/// Where each part of composed prompts (AND) counts: regional prompts.
struct PromptMaps {
  /// [1 or N,1,h,w] of each part, not negative, in the order in which the targets' prompts name
  /// them. What a part's weight is multiplied by at each pixel.
  std::vector<torch::Tensor> weights;
  /// Off: predictions are weighed ("latent couple"), a conditional pass a part. On: what
  /// cross-attention gives is ("attention couple"), in one conditional pass; weights are then
  /// divided by their sum, and a controller sees the attention of the first part.
  bool in_attention = false;
};

/// One batch in full: N samples in each of its branches, which are sampled side by side so that a
/// controller sees them in one call. Rows stand target by target, N each, the source's last.
struct DrawRequest : DrawSettings {
  DrawRequest() = default;
  explicit DrawRequest(const DrawSettings& settings) : DrawSettings(settings) {}

  std::vector<std::vector<std::string>> targets;  // [T][N] prompts
  std::vector<std::string> source;                // [N] prompts, or none: no source branch
  /// LoRAs that some rows have, or some steps; those of all are LoadRequest::networks.
  std::vector<RowNetwork> networks;
  // What samples have of their own [N]; empty: all have what the settings say.
  std::vector<double> guidance_scales;
  std::vector<std::string> negative_prompts;
  std::vector<uint64_t> seeds;
  /// Runs the last int(strength · steps) steps; absent: every step of the schedule (which may have
  /// one more than asked for). 0 returns what the autoencoder makes of the input picture. Models
  /// that take the picture beside the latents begin at 1 with pure noise, as they were published.
  std::optional<double> strength;
  /// Picture to start from, [1 or N,3,H,W] in [-1,1]; needs a strength. Its size is the batch's.
  std::optional<torch::Tensor> init_image;
  /// Where the targets may change, [1 or N,1,h,w] in [0,1] with 1 = edit: elsewhere the re-noised
  /// input picture is put back after every step, and itself after the last. Needs an input picture.
  /// Inpainting models are shown the mask instead; without one, everything is masked.
  std::optional<torch::Tensor> mask;
  /// The same of pixels, [1 or N,1,H,W]: what from 0.5 on is hidden from inpainting models. Absent:
  /// `mask` enlarged.
  std::optional<torch::Tensor> pixel_mask;
  /// `mask` says how much each pixel may change, not how much of a change counts (differential
  /// diffusion, arXiv:2306.00950): of n steps a pixel of strength m takes part in the last n·m. Not
  /// with inpainting models.
  bool graded_mask = false;
  /// Of the targets' prompts; a source is drawn by its own. Absent: a part counts everywhere.
  std::optional<PromptMaps> part_maps;
  /// A picture that the source's rows become, whose size and start the batch has; null: none. The
  /// source's prompts must be the inversion's; without input picture, strength and start latents.
  std::shared_ptr<const Inversion> inversion;
};

/// Where the time of one batch went, in seconds.
struct DrawTiming {
  double sample = 0;  // the sampler, text encoder and the input picture's encoding included
  double decode = 0;
  int64_t unet_calls = 0;
};

struct DrawResult {
  torch::Tensor latents;        // [rows,4,h,w] float32 on the CPU, as the sampler left them
  std::vector<Image> pictures;  // one a row, RGB; empty when decode is off
  DrawTiming timing;
  bool decoder_overflowed = false;  // in half precision, so that a picture was decoded in float32
};

/// Draws one batch. Throws UsageError (sizes, steps, strength, eta, mask, a list that has not one
/// value a sample), Cancelled, OutOfMemory, Error (NaN or infinity, naming the stage).
DrawResult draw(const LoadedModel& model, const DrawRequest& request, NoiseSource& noise);

/// What prompts of such a drawing are read with, but for their syntax: the model's tokenizer, or
/// the request's words beside it.
std::shared_ptr<const Tokenizer> tokenizer_of(const LoadedModel& model,
                                              const DrawSettings& settings);

/// What draws without a noise of their own take their random numbers from: `settings.seed`, with
/// the generator of the model's device.
SeededNoise noise_of(const LoadedModel& model, const DrawSettings& settings);

/// A picture [1,3,H,W] in [-1,1] as the autoencoder takes it; grey becomes RGB. Throws UsageError
/// for another number of channels than 1 or 3.
torch::Tensor to_tensor(const Image& picture);

}  // namespace sd
