// What to draw: prompts, size, sampler and random numbers.
#include <nlohmann/json.hpp>
#include <string>

#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"
#include "cli/options/sampler_options.h"
#include "cli/options/seed_options.h"
#include "cli/options/size_option.h"
#include "sd/core/sampler_table.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

constexpr Range<double> kRescaleRange{0.0, 1.0};

/// The prompts whose choices a picture's is one of; of a list they stand in the list.
Json combinations_json(const DrawOptions& options) {
  if (options.from_file) return {{"prompts", nullptr}};
  Json json = {{"prompts", Json::array({options.prompt})}};
  if (!options.swap.targets.empty()) json["prompts"] = options.swap.targets;
  if (options.swap.source) json["source"] = *options.swap.source;
  return json;
}

OptionValue combinations() {
  auto value = flag(&DrawOptions::combinations);
  value.tell = [](const DrawOptions& options) {
    return options.combinations ? combinations_json(options) : Json();
  };
  return value;
}

OptionValue from_file() {
  auto value = text(&DrawOptions::from_file, "FILE");
  value.tell = [](const DrawOptions& options) { return file_name(options.from_file); };
  return value;
}

OptionValue sampler() {
  auto value = parsed(words_type(sampler_names()), read_sampler);
  value.tell = [](const DrawOptions& options) {
    return Json(info_of(options.chosen_sampler()).name);
  };
  return value;
}

std::string sampler_label(const DrawOptions& options) {
  return std::string(info_of(options.chosen_sampler()).label);
}

OptionValue scheduler() {
  auto value = parsed(words_type(scheduler_names()), read_scheduler);
  value.tell = [](const DrawOptions& options) { return Json(name_of(options.chosen_scheduler())); };
  return value;
}

std::string scheduler_label(const DrawOptions& options) {
  return std::string(label_of(options.chosen_scheduler()));
}

OptionValue seed() {
  auto value = parsed("N", [](DrawOptions& options, const std::string&, const std::string& text) {
    options.seed = parse_seed(text);
  });
  value.tell = [](const DrawOptions& options) {
    return options.seed ? Json(*options.seed) : Json();
  };
  return value;
}

OptionValue variation() {
  auto value =
      parsed("SEED:X", [](DrawOptions& options, const std::string&, const std::string& text) {
        options.variation = parse_variation(text);
      });
  value.tell = [](const DrawOptions& options) -> Json {
    if (!options.variation) return {};
    return {{"seed", options.variation->seed}, {"strength", options.variation->strength}};
  };
  return value;
}

std::string variation_strength(const DrawOptions& options) {
  return number_text(options.variation->strength);
}

/// A1111's words for where the noise comes from; its own default is the device's generator too.
std::string infotext_rng(const DrawOptions& options) {
  return options.rng == RngChoice::kCuda ? "NV" : "CPU";
}

}  // namespace

std::vector<OptionRow> prompt_rows() {
  constexpr const char* kGroup = "What to draw";
  const Choices<PromptSyntax> syntaxes = {{"auto", PromptSyntax::kAuto},
                                          {"plain", PromptSyntax::kPlain},
                                          {"a1111", PromptSyntax::kA1111}};
  const Choices<SeedMode> seed_modes = {{"batch", SeedMode::kBatch}, {"image", SeedMode::kImage}};
  return {
      {.names = "prompt",
       .synonyms = "p,positive_prompt",
       .group = kGroup,
       .help = "What to draw",
       .value = text(&DrawOptions::prompt),
       .commands = kEveryCommand & ~kSwapCommand,
       .preset = "\"a painting of a virus...\"",
       .of_a_sample = true,
       .answers = "from_file",
       .key = {"prompt"}},
      {.names = "prompt",
       .synonyms = "p,positive_prompt",
       .group = kGroup,
       .help = "What to draw; given again, several beside one source",
       .value = texts(in(&DrawOptions::swap, &SwapOptions::targets), "TEXT"),
       .commands = kSwapCommand,
       .of_a_sample = true,
       .answers = "from_file",
       .told_by = "prompt"},
      {.names = "negative-prompt",
       .synonyms = "neg_prompt,negative,neg",
       .group = kGroup,
       .help = "What to keep away from",
       .value = text(&DrawOptions::negative_prompt),
       .of_a_sample = true,
       .key = {"negative_prompt"}},
      {.names = "prompt-syntax",
       .group = kGroup,
       .help = "a1111: (word:1.3), [word], [a:b:0.5], [a|b], BREAK,\n\"a cat AND a dog:0.6\" and "
               "prompts of any length;\nplain: text, cut off after 77 tokens; auto: a1111\nwhere a "
               "prompt has brackets, a backslash, BREAK or AND",
       .value = choice(&DrawOptions::prompt_syntax, syntaxes),
       .key = {"prompt_syntax"}},
      {.names = "combinations",
       .group = kGroup,
       .help = "Draw every choice of {a|b|c}, once an iteration, as\nif the prompts were listed in "
               "a file",
       .value = combinations(),
       .key = {"combinations", "input"},
       .told_if_given = true},
      {.names = "clip-skip",
       .group = kGroup,
       .help = "Take the N-th hidden state from the text encoder's\nend, as AUTOMATIC1111 counts",
       .value = whole(&DrawOptions::clip_skip, kClipSkipRange),
       .key = {"clip_skip", "prompt_syntax"},
       .infotext = {.key = "Clip skip", .after = "Image CFG scale", .read_back = "clip-skip"}},
      {.names = "from-file",
       .synonyms = "prompt_file,prompts_file,prompts_from_file",
       .group = kGroup,
       .help = "Read a prompt a line instead, or tasks with options\nof their own, as words or "
               "JSON (- is standard input;\nempty lines and lines starting with # are skipped)",
       .other_commands = kSwapCommand,
       .other_help = "Read pairs instead (source, tab, target) or tasks\nwith options of their own "
                     "(- is standard input)",
       .value = from_file(),
       .role = Role::kInputFile,
       .scope = Scope::kRun,
       .answers = "prompt",
       .key = {"from_file", "run"}},
      {.names = "W,width",
       .synonyms = "W",
       .group = kGroup,
       .help = "Width in pixels, a multiple of 64 (the picture's,\nrounded down; without one the "
               "model's)",
       .other_commands = kTxt2ImgCommand | kAttnCommand,
       .other_help = "Width in pixels, a multiple of 64 (the model's: 512, 768, ...)",
       .value = whole(&DrawOptions::W, kSideRange),
       .key = {"width", "clip_skip"}},
      {.names = "H,height",
       .synonyms = "H",
       .group = kGroup,
       .help = "Height in pixels, likewise",
       .value = whole(&DrawOptions::H, kSideRange),
       .key = {"height"}},
      {.names = kSizeOption,
       .group = kGroup,
       .help = "Both at once: 512x768, or one number for a square (--W and --H win over it)",
       .value = parsed("WxH", read_size),
       .answers = "W,H",
       .told_by = "width"},
      {.names = "ddim_steps,steps",
       .synonyms = "num_inference_steps,inference_steps,sampling_steps,sample_steps,num_steps",
       .group = kGroup,
       .help = "Sampling steps, 1 to 1000",
       .value = whole(&DrawOptions::steps, kStepsRange),
       .key = {"steps"},
       .infotext = {.key = "Steps", .after = "Prompt", .always = true, .read_back = "steps"}},
      {.names = "plms",
       .group = kGroup,
       .help = "Sample with PLMS instead of DDIM",
       .value = flag(&DrawOptions::plms),
       .answers = "sampler,scheduler",
       .told_by = "sampler"},
      // Read before --sampler, which may name a schedule too, whatever the order on the command
      // line.
      {.names = "scheduler",
       .synonyms = "schedule,schedule_type",
       .group = kGroup,
       .help = "How noise levels are spaced (the sampler's)",
       .value = scheduler(),
       .key = {"scheduler", "sampler"},
       .infotext = {.key = "Schedule type", .after = "Sampler", .text = scheduler_label}},
      {.names = "sampler,sampler_name",
       .synonyms = "A,sampling_method,sample_method,sampler_index",
       .group = kGroup,
       .help = "ddim, plms, euler_a, \"DPM++ 2M Karras\", ...: 'sd\nsamplers' lists them",
       .value = sampler(),
       .preset = "ddim",
       .answers = "plms,scheduler",  // each sampler has a schedule of its own
       .key = {"sampler", "steps"},
       .infotext = {.key = "Sampler", .after = "Steps", .always = true, .text = sampler_label}},
      {.names = "ddim_eta",
       .synonyms = "eta",
       .group = kGroup,
       .help = "Noise added while sampling, 0 to 1 (DDIM only)",
       .value = number(&DrawOptions::eta, kEtaRange),
       .key = {"eta", "scale"},
       .infotext = {.key = "Eta", .after = "RNG", .read_back = "ddim_eta"}},
      {.names = "scale,cfg_scale",
       .synonyms = "guidance_scale,guidance,cfg,unconditional_guidance_scale",
       .group = kGroup,
       .help = "Guidance scale: how closely to follow the prompt",
       .value = number(&DrawOptions::guidance_scale, kScaleRange),
       .of_a_sample = true,
       .key = {"scale", "scheduler"},
       .infotext =
           {.key = "CFG scale", .after = "Schedule type", .always = true, .read_back = "scale"}},
      {.names = "guidance-rescale",
       .synonyms = "cfg_rescale",
       .group = kGroup,
       .help = "Draw the contrast of what is guided back to that of\nthe prompt's own prediction, "
               "0 to 1",
       .value = number(&DrawOptions::guidance_rescale, kRescaleRange),
       .key = {"guidance_rescale", "scale"},
       .told_if_given = true,
       .infotext = {.key = "CFG rescale phi", .after = "Eta", .read_back = "guidance-rescale"}},
      {.names = "seed",
       .synonyms = "S,noise_seed",
       .group = kGroup,
       .help = "Start of the random numbers, below 2^64\n(-1: a random one)",
       .value = seed(),
       .preset = "42",
       .settled = true,
       .of_a_sample = true,
       .key = {"seed", "eta"},
       .infotext = {.key = "Seed", .after = "CFG scale", .always = true}},
      {.names = "seed-mode",
       .group = kGroup,
       .help = "batch: one draw a batch, as the original; image:\npicture i is that of SEED + i "
               "drawn alone",
       .value = choice(&DrawOptions::seed_mode, seed_modes),
       .key = {"seed_mode"}},
      {.names = "only",
       .group = kGroup,
       .help = "Draw only this picture of the run, counted from 0;\nthe same bytes as among the "
               "others",
       .value = whole(&DrawOptions::only, kPictureRange),
       .role = Role::kElsewhere},
      {.names = "variation",
       .group = kGroup,
       .help = "Start X of the way (0 to 1) to the noise of SEED",
       .value = variation(),
       .of_a_sample = true,
       .key = {"variation", "args"},
       .told_if_given = true,
       .infotext = {.key = "Variation seed strength",
                    .after = "Variation seed",
                    .text = variation_strength}},
      {.names = "rng",
       .group = kGroup,
       .help = "Whose random numbers: cuda gives a GPU's anywhere",
       .value = choice(&DrawOptions::rng, rng_choices()),
       .key = {"rng", "seed_mode"},
       .infotext = {.key = "RNG", .after = "Clip skip", .text = infotext_rng}},
  };
}

std::vector<OptionRow> number_rows() {
  constexpr const char* kGroup = "How many";
  return {
      {.names = "n_samples,batch_size",
       .group = kGroup,
       .help = "Pictures drawn at a time",
       .value = whole(&DrawOptions::n_samples, kSamplesRange),
       .key = {"run.n_samples", "rng"}},
      {.names = "n_iter",
       .synonyms = "batch_count,iterations,num_iterations",
       .group = kGroup,
       .help = "How often to draw them",
       .value = whole(&DrawOptions::n_iter, kIterRange),
       .key = {"run.n_iter"}},
      {.names = "n_rows",
       .group = kGroup,
       .help = "Pictures in a row of the grid (0: n_samples)",
       .value = whole(&DrawOptions::n_rows, kRowsRange),
       .told_by = "args"},
      {.names = "fixed_code",
       .group = kGroup,
       .help = "Start every batch from the same noise",
       .other_commands = kSwapCommand,
       .other_help = "Start every sample from the same noise (the fork's is\nits z_fixed.npy: "
                     "--init-latents z_fixed.npy)",
       .value = flag(&DrawOptions::fixed_code),
       .key = {"run.fixed_code", "run.n_iter"}},
      {.names = "init-latents",
       .group = kGroup,
       .help = "Start from these float32 latents [N,4,H/8,W/8] instead\nof noise; rows repeat "
               "where there are too few",
       .value = path(&DrawOptions::init_latents, "FILE.npy"),
       .role = Role::kInputFile,
       .key = {"init_latents", "from_file"}},
  };
}

std::vector<OptionRow> batch_rows() {
  constexpr const char* kGroup = "Batches";
  const auto shard =
      parsed("I/N", [](DrawOptions& options, const std::string&, const std::string& text) {
        options.batch.shard = parse_shard(text);
      });
  return {
      {.names = "shard",
       .group = kGroup,
       .help = "Take every N-th task of --from-file, from the I-th on (as\nsrun, job arrays or "
               "mpirun say)",
       .value = shard,
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      {.names = "resume",
       .group = kGroup,
       .help = "Leave out tasks that are done, by OUTDIR/tasks*.jsonl",
       .value = flag(in(&DrawOptions::batch, &BatchOptions::resume)),
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      {.names = "confined",
       .group = kGroup,
       .help = "Refuse tasks that name paths outside of --outdir: for lists\nfrom strangers (they "
               "may read files beside the list)",
       .value = flag(in(&DrawOptions::batch, &BatchOptions::confined)),
       .role = Role::kElsewhere,
       .scope = Scope::kRun},
      {.names = "grid",
       .group = kGroup,
       .help = "Draw a labelled sheet over values of options:\n\"scale=1.5,3,5,8;sampler=ddim,"
               "plms\"",
       .value = text(in(&DrawOptions::batch, &BatchOptions::grid), "AXES"),
       .scope = Scope::kRun,
       .told_by = "args"},
  };
}

}  // namespace sd::cli
