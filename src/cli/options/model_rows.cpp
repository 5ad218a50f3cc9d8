// Which model draws, on what, and where pictures go.
#include <nlohmann/json.hpp>

#include "cli/options/choices.h"
#include "cli/options/draw_limits.h"
#include "cli/options/name_template.h"
#include "cli/options/option_table.h"
#include "cli/options/outdir_option.h"
#include "cli/options/picture_options.h"
#include "cli/shell/device_words.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

/// The file's whole name, as A1111 gives a VAE's; of a folder given with a slash its own.
std::string part_name(const std::filesystem::path& path) {
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

/// An autoencoder or a text encoder of its own; null where it is the model's.
OptionValue part(std::optional<std::filesystem::path> DrawOptions::*field) {
  auto value = path(field, "FILE");
  value.tell = [field](const DrawOptions& options) {
    return options.*field ? Json(part_name(*(options.*field))) : Json();
  };
  return value;
}

OptionValue device() {
  auto value = parsed("{auto,cpu,cuda[:N]}",
                      [](DrawOptions& options, const std::string&, const std::string& text) {
                        auto devices = devices_of_word(text);
                        options.device = devices.front();
                        options.more_devices.assign(devices.begin() + 1, devices.end());
                      });
  value.tell = [](const DrawOptions&) { return Json(); };  // the run says which it was
  return value;
}

OptionValue outdir() {
  auto value = parsed("DIR", read_outdir);
  value.preset = [](const DrawOptions& options) { return options.default_outdir.string(); };
  return value;
}

OptionValue name() {
  auto value =
      parsed("TEMPLATE", [](DrawOptions& options, const std::string&, const std::string& text) {
        NameTemplate::parse(text);
        options.picture.name = text;
      });
  value.preset = [](const DrawOptions& options) { return options.picture.name; };
  return value;
}

OptionValue verbose() {
  return {.type = {}, .count = [](DrawOptions& options) -> int& { return options.verbose; }};
}

}  // namespace

std::vector<OptionRow> model_rows() {
  constexpr const char* kGroup = "Model";
  const Choices<std::optional<Prediction>> predictions = {
      {"auto", std::nullopt}, {"eps", Prediction::kNoise}, {"v", Prediction::kVelocity}};
  auto prediction = choice(&DrawOptions::prediction, predictions);
  prediction.tell = [](const DrawOptions& options) {
    return options.prediction ? Json(name_of(*options.prediction)) : Json();
  };
  return {
      {.names = "ckpt",
       .synonyms = "m,model,checkpoint,model_path,ckpt_path,pretrained_model_name_or_path",
       .group = kGroup,
       .help = "Weights: .ckpt, .safetensors, a diffusers folder, or the\nname of one in "
               "SD_MODELS_DIR\n(models/ldm/stable-diffusion-v1/model.ckpt, else the\ndemo model)",
       .value = path(&DrawOptions::ckpt, "MODEL"),
       .role = Role::kModelFile,
       .told_by = "model.name"},
      {.names = "config",
       .group = kGroup,
       .help = "Model configuration (a .yaml of the same name beside\nthe weights; they tell the "
               "rest)",
       .value = path(&DrawOptions::config, "FILE.yaml"),
       .role = Role::kInputFile,
       .key = {"config", "ema"}},
      {.names = "vae",
       .synonyms = "vae_path,taesd",
       .group = kGroup,
       .help = "Autoencoder from this file instead (.ckpt,\n.safetensors, diffusers; TAESD decodes "
               "fast)",
       .value = part(&DrawOptions::vae),
       .role = Role::kModelFile,
       .key = {"vae.name", "combinations"},
       .told_if_given = true,
       .infotext = {.key = "VAE", .after = "VAE hash"}},
      {.names = "clip",
       .synonyms = "clip_path,clip_l,text_encoder",
       .group = kGroup,
       .help = "Text encoder from this file instead",
       .value = part(&DrawOptions::clip),
       .role = Role::kModelFile,
       .key = {"clip.name", "vae"},
       .told_if_given = true,
       .infotext = {.key = "Text encoder", .after = "Reweight"}},
      {.names = "ema",
       .group = kGroup,
       .help = "Use the averaged weights of a full checkpoint",
       .value = flag(&DrawOptions::ema),
       .key = {"ema", "model"}},
      {.names = "prediction",
       .group = kGroup,
       .help = "What the UNet predicts, noise or velocity",
       .value = prediction,
       .preset = "auto",
       .key = {"prediction", "config"}},
      {.names = "laion400m",
       .group = kGroup,
       .help = "The LAION-400M model, in\nmodels/ldm/text2img-large/model.ckpt; draws 256x256",
       .value = flag(&DrawOptions::laion400m),
       .told_by = "model.name"},
      // Both can be nothing but what the models have.
      {.names = "C",
       .group = kGroup,
       .help = "Latent channels",
       .value = whole(&DrawOptions::C, kChannelsRange),
       .told_by = "model.name"},
      {.names = "f",
       .group = kGroup,
       .help = "Pixels per latent",
       .value = whole(&DrawOptions::f, kFactorRange),
       .told_by = "model.name"},
  };
}

std::vector<OptionRow> machine_rows() {
  constexpr const char* kGroup = "Machine";
  const Choices<WeightsChoice> weights = {{"auto", WeightsChoice::kAuto},
                                          {"int8", WeightsChoice::kInt8}};
  const Choices<std::optional<std::string>> precisions = {{"full", "full"},
                                                          {"autocast", "autocast"}};
  return {
      {.names = "device",
       .group = kGroup,
       .help = "Where to compute; cuda:0,1 divides lists, grids and\nbatches among GPUs",
       .value = device(),
       .preset = "auto",
       .scope = Scope::kMachine,
       .settled = true,
       .key = {"device", "prediction"}},
      {.names = "dtype",
       .synonyms = "torch_dtype,type",
       .group = kGroup,
       .help = "What to compute in",
       .value = choice(&DrawOptions::dtype, dtype_choices()),
       .settled = true,
       .answers = "precision",
       .key = {"dtype"}},
      {.names = "precision",
       .group = kGroup,
       .help = "As in the original: full is f32, autocast is auto",
       .value = choice(&DrawOptions::precision, precisions),
       .settled = true,
       .answers = "dtype",
       .told_by = "dtype"},
      {.names = "weights",
       .group = kGroup,
       .help = "How the UNet's weights are held on a CPU: auto is as\n--dtype, int8 half of bf16's "
               "memory; pixels change a little",
       .value = choice(&DrawOptions::weights, weights),
       .key = {"weights", "dtype"},
       .told_if_given = true},
      {.names = "exact-conv",
       .group = kGroup,
       .help =
           "No Winograd in convolutions on a CPU: sums of products\nalone, slower; pixels differ "
           "by rounding",
       .value = flag(&DrawOptions::exact_conv),
       .key = {"exact_conv", "weights"},
       .told_if_given = true},
      {.names = "low-memory",
       .synonyms = "lowvram,medvram,enable_model_cpu_offload,enable_sequential_cpu_offload",
       .group = kGroup,
       .help = "One part of the model in memory at a time, a GPU's or the\ncomputer's; slower, "
               "since of a list each "
               "picture loads them again",
       .value = flag(&DrawOptions::low_memory),
       .role = Role::kElsewhere,
       .scope = Scope::kMachine},
      {.names = "threads",
       .synonyms = "t,n_threads,num_threads",
       .group = kGroup,
       .help = "CPU threads (0: one a physical core)",
       .value = whole(&DrawOptions::threads, kThreadsRange),
       .scope = Scope::kMachine,
       .settled = true,
       .key = {"threads", "dtype"}},
  };
}

std::vector<OptionRow> output_rows() {
  constexpr const char* kGroup = "Output";
  const Choices<FileFormat> formats = {{"png", FileFormat::kPng},
                                       {"jpeg", FileFormat::kJpeg},
                                       {"webp", FileFormat::kWebp},
                                       {"jpg", FileFormat::kJpeg}};
  return {
      {.names = "outdir",
       .synonyms = "o,output,output_dir,out_dir,out,outpath",
       .group = kGroup,
       .help = "Where to write (--laion400m: the same with -laion400m)",
       .value = outdir(),
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      {.names = "dry-run",
       .group = kGroup,
       .help = "Print what would become of each token, and what\ncontrols are to do; draw nothing",
       .value = flag(in(&DrawOptions::swap, &SwapOptions::dry_run)),
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      {.names = "skip_save",
       .group = kGroup,
       .help = "Write no single pictures",
       .value = flag(&DrawOptions::skip_save),
       .told_by = "args"},
      {.names = "skip_grid",
       .group = kGroup,
       .help = "Write no grid",
       .value = flag(&DrawOptions::skip_grid),
       .told_by = "args"},
      {.names = "save-latents",
       .group = kGroup,
       .help = "Also write the final latents to DIR/latents.npy",
       .other_commands = kSwapCommand,
       .other_help = "Also write final latents to DIR/latents.npy and\nsource_latents.npy",
       .value = path(&DrawOptions::save_latents, "DIR"),
       .role = Role::kElsewhere},
      {.names = "format",
       .synonyms = "output_format,image_format",
       .group = kGroup,
       .help = "Files to write; each says how it was made",
       .value = choice(in(&DrawOptions::picture, &PictureOptions::format), formats,
                       {"png", "jpeg", "webp"}),
       .told_by = "args"},
      {.names = "quality",
       .group = kGroup,
       .help = "Of jpeg and webp, 1 to 100 (90); webp is lossless at 100",
       .value = whole(in(&DrawOptions::picture, &PictureOptions::quality), kQualityRange),
       .told_by = "args"},
      {.names = "name",
       .group = kGroup,
       .help = "Names of single pictures, without ending, such as\n\"{seed}-{index}-{prompt:40}\" "
               "or \"{date}/{number:05}\".\nFields: " +
               NameTemplate::field_list(/*width=*/50),
       .value = name(),
       .role = Role::kElsewhere},
      {.names = "preview",
       .group = kGroup,
       .help = "Show roughly what is being drawn, in such a terminal\nor in a file that is "
               "replaced again and again",
       .value = parsed("{kitty,iterm,sixel,FILE.png}", read_preview),
       .role = Role::kElsewhere},
      {.names = "preview-every",
       .group = kGroup,
       .help = "Steps between previews (5); the last step has one",
       .value = whole(in(&DrawOptions::picture, &PictureOptions::preview_every), kEveryRange),
       .role = Role::kElsewhere},
      {.names = "json",
       .group = kGroup,
       .help = "One JSON object a line on stdout instead of paths",
       .value = flag(&DrawOptions::json),
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      {.names = "quiet,q",
       .group = kGroup,
       .help = "Print errors only",
       .value = flag(&DrawOptions::quiet),
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      {.names = "verbose,v",
       .group = kGroup,
       .help = "Say more about model, device and time",
       .value = verbose(),
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      // `sd attn` adds it where its own options for saved maps stand.
      {.names = "save_dir",
       .group = "From saved maps",
       .help = "The fork's name of --outdir",
       .value = parsed("DIR", read_outdir_as_it_is),
       .commands = kNoCommand,
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      // Every command that takes settings has it.
      {.names = "no-config",
       .group = "Options",
       .help = "Leave the configuration file out",
       .value = {},
       .commands = kNoCommand,
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
  };
}

}  // namespace sd::cli
