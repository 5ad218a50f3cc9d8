#include "cli/options/draw_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string>
#include <system_error>

#include "cli/options/attn_options.h"
#include "cli/options/control_options.h"
#include "cli/options/draw_limits.h"
#include "cli/options/draw_parser.h"
#include "cli/options/picture_options.h"
#include "cli/options/sampler_options.h"
#include "cli/options/seed_options.h"
#include "cli/options/size_option.h"
#include "cli/shell/choices.h"
#include "cli/shell/option_groups.h"
#include "sd/core/error.h"
#include "sd/image/infotext.h"

namespace sd::cli {
namespace {

void add_picture_options(CLI::App& app, DrawOptions& options) {
  if (options.task == DrawTask::kSwap) {
    add_repeated(
        app, "prompt",
        [&options](const std::string& text) { options.swap.targets.push_back(text); }, "TEXT",
        "What to draw; given again, several beside one source");
  } else {
    add_text(app, "prompt", options.prompt, "What to draw")
        ->default_str("\"a painting of a virus...\"");
  }
  add_text(app, "negative-prompt", options.negative_prompt, "What to keep away from");
  const Choices<PromptSyntax> syntaxes = {{"auto", PromptSyntax::kAuto},
                                          {"plain", PromptSyntax::kPlain},
                                          {"a1111", PromptSyntax::kA1111}};
  add_choice(
      app, "prompt-syntax", options.prompt_syntax, syntaxes,
      "a1111: (word:1.3), [word], [a:b:0.5], [a|b], BREAK,\n\"a cat AND a dog:0.6\" and prompts of "
      "any length;\nplain: text, cut off after 77 tokens; auto: a1111\nwhere a prompt has "
      "brackets, a "
      "backslash, BREAK or AND")
      ->default_str("auto");
  app.add_flag(
      "--combinations", options.combinations,
      "Draw every choice of {a|b|c}, once an iteration, as\nif the prompts were listed in a file");
  add_whole(app, "clip-skip", options.clip_skip, kClipSkipRange,
            "Take the N-th hidden state from the text encoder's\nend, as AUTOMATIC1111 counts");
  app.add_option_function<std::string>(
         spellings("from-file"), [&options](const std::string& file) { options.from_file = file; },
         options.task == DrawTask::kSwap
             ? "Read pairs instead (source, tab, target) or tasks\nwith options of their own (- is "
               "standard input)"
             : "Read a prompt a line instead, or tasks with options\nof their own, as words or "
               "JSON (- is "
               "standard input;\nempty lines and lines starting with # are skipped)")
      ->type_name("FILE");
  add_whole(
      app, "W,width", options.W, kSideRange,
      options.task == DrawTask::kTxt2Img
          ? "Width in pixels, a multiple of 64 (the model's: 512, 768, ...)"
          : "Width in pixels, a multiple of 64 (the picture's,\nrounded down; without one the "
            "model's)");
  add_whole(app, "H,height", options.H, kSideRange, "Height in pixels, likewise");
  add_size_option(app, options);
  add_sampler_options(app, options);
  add_number(app, "scale,cfg_scale", options.scale, kScaleRange,
             "Guidance scale: how closely to follow the prompt");
  add_seed_options(app, options);
}

void add_number_options(CLI::App& app, DrawOptions& options) {
  add_whole(app, "n_samples,batch_size", options.n_samples, kSamplesRange,
            "Pictures drawn at a time");
  add_whole(app, "n_iter", options.n_iter, kIterRange, "How often to draw them");
  add_whole(app, "n_rows", options.n_rows, kRowsRange,
            "Pictures in a row of the grid (0: n_samples)");
  app.add_flag("--fixed_code,--fixed-code", options.fixed_code,
               options.task == DrawTask::kSwap
                   ? "Start every sample from the same noise (the fork's is\nits z_fixed.npy: "
                     "--init-latents z_fixed.npy)"
                   : "Start every batch from the same noise");
  add_path(app, "init-latents", options.init_latents, "FILE.npy",
           "Start from these float32 latents [N,4,H/8,W/8] instead\nof noise; rows repeat where "
           "there are too few");
}

void add_model_options(CLI::App& app, DrawOptions& options) {
  add_path(
      app, "ckpt", options.ckpt, "MODEL",
      "Weights: .ckpt, .safetensors, a diffusers folder, or the\nname of one in SD_MODELS_DIR\n"
      "(models/ldm/stable-diffusion-v1/model.ckpt, else the\ndemo model)");
  add_path(
      app, "config", options.config, "FILE.yaml",
      "Model configuration (a .yaml of the same name beside\nthe weights; they tell the rest)");
  add_path(app, "vae", options.vae, "FILE",
           "Autoencoder from this file instead (.ckpt,\n.safetensors, diffusers; TAESD decodes "
           "fast)");
  add_path(app, "clip", options.clip, "FILE", "Text encoder from this file instead");
  app.add_flag("--ema", options.ema, "Use the averaged weights of a full checkpoint");
  const Choices<std::optional<Prediction>> predictions = {
      {"auto", std::nullopt}, {"eps", Prediction::kNoise}, {"v", Prediction::kVelocity}};
  add_choice(app, "prediction", options.prediction, predictions,
             "What the UNet predicts, noise or velocity")
      ->default_str("auto");
  app.add_flag("--laion400m", options.laion400m,
               "The LAION-400M model, in\nmodels/ldm/text2img-large/model.ckpt; draws 256x256");
  add_whole(app, "C", options.C, kChannelsRange, "Latent channels");
  add_whole(app, "f", options.f, kFactorRange, "Pixels per latent");
}

void add_compute_options(CLI::App& app, DrawOptions& options) {
  add_device(app, options.device, "Where to compute")->default_str("auto");
  add_choice(app, "dtype", options.dtype, dtype_choices(), "What to compute in")
      ->default_str("auto");
  const Choices<std::optional<std::string>> precisions = {{"full", "full"},
                                                          {"autocast", "autocast"}};
  add_choice(app, "precision", options.precision, precisions,
             "As in the original: full is f32, autocast is auto");
  add_whole(app, "threads", options.threads, kThreadsRange, "CPU threads (0: one a physical core)");
}

/// Elsewhere -o and --output name the picture itself.
void reject_picture_name(const std::filesystem::path& folder) {
  auto ending = folder.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::array endings = {".png", ".jpg", ".jpeg", ".webp"};
  std::error_code ignored;
  if (std::ranges::find(endings, ending) == endings.end() ||
      std::filesystem::is_directory(folder, ignored)) {
    return;
  }
  auto parent = folder.parent_path();
  if (parent.empty()) parent = ".";
  throw UsageError(fmt::format(
      "--outdir: '{}' is the name of a picture, and here it names a folder\nFor pictures of that "
      "name: --outdir {} --name {}{}",
      folder.string(), parent.string(), folder.stem().string(),
      ending == ".png"    ? ""
      : ending == ".webp" ? " --format webp"
                          : " --format jpeg"));
}

void add_file_options(CLI::App& app, DrawOptions& options) {
  app.add_option_function<std::string>(
         spellings("outdir"),
         [&options](const std::string& folder) {
           reject_picture_name(folder);
           options.outdir = folder;
         },
         "Where to write (--laion400m: the same with -laion400m)")
      ->type_name("DIR")
      ->default_str(options.default_outdir.string());
  app.add_flag("--skip_save,--skip-save", options.skip_save, "Write no single pictures");
  app.add_flag("--skip_grid,--skip-grid", options.skip_grid, "Write no grid");
  add_path(app, "save-latents", options.save_latents, "DIR",
           options.task == DrawTask::kSwap
               ? "Also write final latents to DIR/latents.npy and\nsource_latents.npy"
               : "Also write the final latents to DIR/latents.npy");
}

}  // namespace

void add_draw_options(CLI::App& app, DrawOptions& options) {
  set_parsing_rules(app);
  const auto group = [&app](const std::string& name) { app.option_defaults()->group(name); };
  group("What to draw");
  add_picture_options(app, options);
  group("How many");
  add_number_options(app, options);
  group("Batches");
  add_batch_options(app, options.batch);
  group("Attention control");
  add_reweight_options(app, options.control);
  group("Attention maps");
  add_attn_options(app, options.attn);
  group("Model");
  add_model_options(app, options);
  group("Machine");
  add_compute_options(app, options);
  group("Output");
  add_file_options(app, options);
  add_picture_file_options(app, options.picture);
  add_output_options(app, options.json, options.quiet, options.verbose);
}

void add_input_options(CLI::App& app, PictureInput& input) {
  add_path(app, "init-img", input.init_img, "FILE", "Picture to start from");
  add_number(app, "strength", input.strength, kStrengthRange,
             "How much to change it: 0 nothing, 1 all; the last\nSTRENGTH x STEPS steps are run "
             "(0.75; 1 where the model\nis shown the picture: inpainting, InstructPix2Pix)");
  add_number(app, "img-scale", input.img_scale, kScaleRange,
             "InstructPix2Pix: how closely to follow the picture (1.5)");
  add_path(app, "init-mask", input.init_mask, "FILE", "Draw anew only where this picture is white");
  app.add_flag("--use_mask,--use-mask", input.use_mask, "Use --init-mask (naming one is enough)");
  app.add_flag("--invert-mask,--invert_mask", input.invert_mask, "Draw anew where it is black");
  add_number(app, "mask-grow", input.mask_grow, kGrowRange,
             "Widen the mask by so many pixels first");
  add_number(app, "mask-blur", input.mask_blur, kBlurRange, "Soften the mask by so many pixels");
  app.add_flag("--no-paste,--no_paste", input.no_paste,
               "Leave pixels outside the mask as the autoencoder\nmakes them, do not paste the "
               "original's back");
}

}  // namespace sd::cli
