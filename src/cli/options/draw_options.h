#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/attn_options.h"
#include "cli/options/control_net_options.h"
#include "cli/options/given_options.h"
#include "cli/options/image_prompt_options.h"
#include "cli/options/network_options.h"
#include "cli/options/picture_options.h"
#include "cli/options/region_options.h"
#include "cli/options/shard.h"
#include "cli/options/sharing_options.h"
#include "sd/core/compute.h"
#include "sd/core/inversion_method.h"
#include "sd/core/model_config.h"
#include "sd/core/sampler_table.h"
#include "sd/core/seed_rule.h"
#include "sd/pipeline/picture_settings.h"
#include "sd/text/control_words.h"
#include "sd/text/guide_words.h"

namespace sd::cli {

/// Which script of the original a run mirrors.
enum class DrawTask { kTxt2Img, kImg2Img, kSwap };

inline constexpr double kDefaultStrength = 0.75;  // the original script's

/// What greys of a mask mean.
enum class MaskMode {
  kSoft,    // how much of the change counts
  kGraded,  // how much may change (differential diffusion)
};

/// A picture to start from (`img2img`, `swap`).
struct PictureInput {
  std::optional<std::filesystem::path> init_img;
  std::optional<double> strength;                  // absent: as the model needs it (model_fit.h)
  std::optional<double> img_scale;                 // InstructPix2Pix; absent: 1.5
  std::optional<std::filesystem::path> init_mask;  // white is drawn anew
  bool use_mask = false;                           // the fork's flag; a mask is used when named
  bool invert_mask = false;
  double mask_grow = 0;   // pixels; negative: the mask shrinks
  double mask_blur = 0;   // pixels, behind that
  bool no_paste = false;  // leave what the autoencoder made of the pixels outside the mask
  MaskMode mask_mode = MaskMode::kSoft;
  /// `sd swap`: white may change. Outside, the picture stays what it was, or the source where there
  /// is no picture.
  std::optional<std::filesystem::path> edit_mask;
  bool auto_mask = false;                     // DiffEdit's, from the prompts
  std::optional<std::string> auto_mask_from;  // what the picture shows; absent: the source, or ""
  double auto_mask_threshold = 0.5;           // of the largest difference
  std::optional<std::filesystem::path> save_mask;

  bool masks() const { return init_mask || edit_mask || auto_mask; }
};

// Prompt-to-Prompt's published settings.
inline constexpr AttnSteps kDefaultCrossSteps{0, 0.8};
inline constexpr AttnSteps kDefaultSelfSteps{0, 0.4};
inline constexpr int64_t kDefaultSelfMaxRes = 16;
inline constexpr double kDefaultBlendThreshold = 0.3;
inline constexpr double kDefaultBlendStart = 0.2;
inline constexpr int64_t kDefaultBlendRes = 16;

/// `sd swap` beside what all commands have; its words are the library's own.
struct SwapOptions : SwapWords {
  std::vector<std::string> targets;  // every --prompt
  std::optional<std::string> source;
  bool is_swap = false;
  SwapMode mode = SwapMode::kFork;
  double tthres = 0;
  std::optional<AttnSteps> self_steps;  // absent: kDefaultSelfSteps
  std::optional<int64_t> self_max_res;  // latent pixels of 64, scaled with the latents; absent: 16
  std::optional<double> blend_threshold;  // absent: kDefaultBlendThreshold
  std::optional<double> blend_start;      // absent: kDefaultBlendStart
  std::optional<int64_t> blend_res;       // like self_max_res; absent: default_blend_res
  std::optional<double> blend_margin;     // pixels; absent: no pixel is put back
  std::optional<std::filesystem::path> blend_mask;
  bool dry_run = false;

  bool blends() const { return !local_blend.empty() || blend_mask.has_value(); }
};

/// The picture that a swap's source becomes, by inverting it or as it was inverted before.
struct InversionOptions {
  std::optional<std::filesystem::path> file;  // --inversion
  std::optional<InversionMethod> method;      // absent: the file's own; with neither, no inversion
  double proximal = kDefaultProximal;         // of negative-prompt inversion
  std::optional<ProximalNorm> proximal_norm;  // absent: L0

  bool any() const { return file.has_value() || method.has_value(); }
};

/// What restricts and weighs attention, in every command.
struct ControlOptions {
  std::vector<WordWeight> reweight;
  std::optional<AttnSteps> reweight_steps;  // absent: every step
  std::vector<std::string> parts;           // --layers; empty: all
  std::vector<int64_t> resolutions;         // --res
  std::vector<int64_t> heads;               // --heads
  std::optional<bool> both_rows;            // --rows: cond, or both; absent: what each control does

  bool sweeps() const {
    for (const auto& weight : reweight) {
      if (weight.values.size() > 1) return true;
    }
    return false;
  }
};

/// Many runs from one call.
struct BatchOptions {
  std::optional<Shard> shard;       // of the tasks; absent: all, or as a launcher says
  bool resume = false;              // leave out what is done
  bool confined = false;            // no path of a task leads out of --outdir
  std::optional<std::string> grid;  // "scale=1.5,5;sampler=ddim,plms"
};

/// A drawing command as typed; names and defaults are the original scripts'. Nothing changes it: a
/// DrawPlan (plan/draw_plan.h) has what was left open. Torch-free.
struct DrawOptions : PictureSettings {
  DrawOptions() { prompt_syntax = PromptSyntax::kAuto; }

  DrawTask task = DrawTask::kTxt2Img;
  std::string prompt = "a painting of a virus monster playing guitar";
  bool combinations = false;  // {a|b} are choices, and each combination a prompt of its own
  std::optional<std::filesystem::path> outdir;  // absent: default_outdir
  std::filesystem::path default_outdir = "outputs/txt2img-samples";
  bool skip_grid = false;
  bool skip_save = false;
  bool plms = false;
  std::optional<SamplerKind> sampler;  // absent: DDIM, or PLMS with its flag
  bool laion400m = false;
  bool fixed_code = false;
  int64_t n_iter = 2;
  std::optional<int64_t> H;  // absent: what the model was trained for, or the input picture's
  std::optional<int64_t> W;
  int64_t C = 4;
  int64_t f = 8;
  int64_t n_samples = 3;
  int64_t n_rows = 0;
  std::optional<std::string> from_file;  // "-" is stdin
  BatchOptions batch;
  std::optional<std::filesystem::path> config;
  std::optional<std::filesystem::path> ckpt;
  std::optional<std::filesystem::path> vae;       // an autoencoder from elsewhere, or TAESD
  std::optional<std::filesystem::path> clip;      // a text encoder from elsewhere
  std::vector<std::filesystem::path> embeddings;  // learnt words
  ImagePromptOptions image_prompts;
  std::optional<uint64_t> seed = 42;  // absent: a random one
  SeedMode seed_mode = SeedMode::kBatch;
  std::optional<Variation> variation;
  std::optional<int64_t> only;           // the one picture of the run to draw, from 0
  std::optional<std::string> precision;  // "full" or "autocast"
  bool ema = false;
  std::optional<Prediction> prediction;  // absent: as the model says
  DeviceChoice device;
  std::vector<DeviceChoice> more_devices;  // GPUs that share the work with that one
  DTypeChoice dtype = DTypeChoice::kAuto;
  WeightsChoice weights = WeightsChoice::kAuto;
  bool exact_conv = false;
  bool low_memory = false;
  RngChoice rng = RngChoice::kDevice;
  std::optional<std::filesystem::path> init_latents;
  std::optional<std::filesystem::path> save_latents;
  PictureInput input;
  NetworkOptions networks;
  SwapOptions swap;
  RegionOptions regions;
  InversionOptions inversion;
  ControlOptions control;
  GuideWords guides;
  ControlNetOptions nets;
  SharingOptions sharing;
  AttnOptions attn;
  PictureOptions picture;
  GivenCommand given;   // what all of this was made from
  int64_t threads = 0;  // 0: one a physical core
  bool json = false;
  bool quiet = false;
  int verbose = 0;

  /// Where to write as far as it was typed; --laion400m has a folder of its own beside it.
  const std::filesystem::path& folder() const { return outdir ? *outdir : default_outdir; }
  /// Whether there are several prompts, of which each is drawn once an iteration.
  bool lists_prompts() const { return from_file.has_value() || combinations; }
  SamplerKind chosen_sampler() const {
    return sampler.value_or(plms ? SamplerKind::kPlms : SamplerKind::kDdim);
  }
  /// The schedule that is used; DDIM and PLMS name none.
  SchedulerKind chosen_scheduler() const {
    return scheduler.value_or(info_of(chosen_sampler()).scheduler);
  }
};

}  // namespace sd::cli
