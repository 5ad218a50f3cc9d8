#include <memory>
#include <string>

#include "cli/attn_options.h"
#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/option_groups.h"
#include "cli/output_folder.h"
#include "cli/txt2img_limits.h"

namespace sd::cli {
namespace {

constexpr const char* kDescription = R"(Draws pictures from a prompt.

Examples:
  sd txt2img --prompt "a red apple on a wooden table" --plms
  sd txt2img --prompt "a castle" --negative-prompt "people" --n_samples 4 --n_iter 1 --seed 7
  sd txt2img --from-file prompts.txt --outdir pictures --skip_grid
  sd txt2img --ckpt v1-5-pruned-emaonly.safetensors --prompt "a fox in the snow" --json)";

constexpr const char* kFooter =
    R"(Pictures are written to OUTDIR/samples/00000.png and on, a grid of all to OUTDIR/grid-0000.png;
nothing is overwritten. Their paths are printed on stdout. Names of options may be written with
dashes or underscores.
Exit codes: 0 done, 1 failed, 2 wrong options, 3 part of --from-file failed, 4 checkpoint,
5 reading or writing, 6 out of memory, 130 interrupted.)";

void add_picture_options(CLI::App& app, Txt2ImgOptions& options) {
  add_text(app, "prompt", options.prompt, "What to draw")
      ->default_str("\"a painting of a virus...\"");
  add_text(app, "negative-prompt", options.negative_prompt, "What to keep away from");
  app.add_option_function<std::string>(
         spellings("from-file"), [&options](const std::string& file) { options.from_file = file; },
         "Read a prompt a line instead (- is standard input;\nempty lines and lines starting with "
         "# are skipped)")
      ->type_name("FILE");
  add_whole(app, "W", options.W, kSideRange,
            "Width in pixels, a multiple of 64 (512; demo model: its own)");
  add_whole(app, "H", options.H, kSideRange, "Height in pixels, likewise");
  add_whole(app, "ddim_steps", options.ddim_steps, kStepsRange, "Sampling steps, 1 to 1000");
  app.add_flag("--plms", options.plms, "Sample with PLMS instead of DDIM");
  add_number(app, "ddim_eta", options.ddim_eta, kEtaRange,
             "Noise added while sampling, 0 to 1 (DDIM only)");
  add_number(app, "scale", options.scale, kScaleRange,
             "Guidance scale: how closely to follow the prompt");
  add_whole(app, "seed", options.seed, kSeedRange, "Start of the random numbers");
  add_choice(app, "rng", options.rng, rng_choices(),
             "Whose random numbers: cuda gives a GPU's anywhere")
      ->default_str("device");
}

void add_number_options(CLI::App& app, Txt2ImgOptions& options) {
  add_whole(app, "n_samples", options.n_samples, kSamplesRange, "Pictures drawn at a time");
  add_whole(app, "n_iter", options.n_iter, kIterRange, "How often to draw them");
  add_whole(app, "n_rows", options.n_rows, kRowsRange,
            "Pictures in a row of the grid (0: n_samples)");
  app.add_flag("--fixed_code,--fixed-code", options.fixed_code,
               "Start every batch from the same noise");
  add_path(app, "init-latents", options.init_latents, "FILE.npy",
           "Start from these float32 latents [N,4,H/8,W/8] instead\nof noise; rows repeat where "
           "there are too few");
}

void add_model_options(CLI::App& app, Txt2ImgOptions& options) {
  add_path(app, "ckpt", options.ckpt, "FILE",
           "Weights: .ckpt, .safetensors or a diffusers folder\n"
           "(models/ldm/stable-diffusion-v1/model.ckpt, else the\ndemo model)");
  add_path(
      app, "config", options.config, "FILE.yaml",
      "Model configuration (a .yaml of the same name beside\nthe weights; they tell the rest)");
  app.add_flag("--ema", options.ema, "Use the averaged weights of a full checkpoint");
  app.add_flag("--laion400m", options.laion400m, "The LAION-400M model (not supported yet)");
  add_whole(app, "C", options.C, kChannelsRange, "Latent channels");
  add_whole(app, "f", options.f, kFactorRange, "Pixels per latent");
}

void add_compute_options(CLI::App& app, Txt2ImgOptions& options) {
  add_device(app, options.device, "Where to compute")->default_str("auto");
  add_choice(app, "dtype", options.dtype, dtype_choices(), "What to compute in")
      ->default_str("auto");
  const Choices<std::optional<std::string>> precisions = {{"full", "full"},
                                                          {"autocast", "autocast"}};
  add_choice(app, "precision", options.precision, precisions,
             "As in the original: full is f32, autocast is auto");
  add_whole(app, "threads", options.threads, kThreadsRange, "CPU threads (0: one a physical core)");
}

void add_file_options(CLI::App& app, Txt2ImgOptions& options) {
  app.add_option_function<std::string>(
         "--outdir", [&options](const std::string& folder) { options.outdir = folder; },
         "Where to write")
      ->type_name("DIR")
      ->default_str(options.outdir.string());
  app.add_flag("--skip_save,--skip-save", options.skip_save, "Write no single pictures");
  app.add_flag("--skip_grid,--skip-grid", options.skip_grid, "Write no grid");
  add_path(app, "save-latents", options.save_latents, "DIR",
           "Also write the final latents to DIR/latents.npy");
}

int run(Txt2ImgOptions& options) {
  check(options);
  return engine().txt2img(options);
}

}  // namespace

void add_txt2img_options(CLI::App& app, Txt2ImgOptions& options) {
  set_parsing_rules(app);
  const auto group = [&app](const std::string& name) { app.option_defaults()->group(name); };
  group("What to draw");
  add_picture_options(app, options);
  group("How many");
  add_number_options(app, options);
  group("Attention maps");
  add_attn_options(app, options.attn);
  group("Model");
  add_model_options(app, options);
  group("Machine");
  add_compute_options(app, options);
  group("Output");
  add_file_options(app, options);
  add_output_options(app, options.json, options.quiet, options.verbose);
}

Command add_txt2img(CLI::App& app) {
  auto* parser = app.add_subcommand("txt2img", kDescription)->group("Commands");
  parser->footer(kFooter);
  auto options = std::make_shared<Txt2ImgOptions>();  // lives as long as the parser's callbacks
  add_txt2img_options(*parser, *options);
  return {parser, [options] { return run(*options); }};
}

}  // namespace sd::cli
