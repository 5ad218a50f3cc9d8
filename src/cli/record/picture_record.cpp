#include "cli/record/picture_record.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "cli/options/seed_rule.h"
#include "cli/record/repeat_args.h"
#include "cli/shell/choices.h"
#include "cli/shell/json_lines.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShortHash = 10;  // A1111's "Model hash"

/// A1111's words for where the noise comes from; its own default is the device's generator too.
std::string infotext_rng(RngChoice rng) { return rng == RngChoice::kCuda ? "NV" : "CPU"; }

std::string sampler_name(const DrawOptions& options) {
  return std::string(info_of(options.chosen_sampler()).label);
}

/// The schedule that is used; DDIM and PLMS name none.
SchedulerKind scheduler_of(const DrawOptions& options) {
  return options.scheduler.value_or(info_of(options.chosen_sampler()).scheduler);
}

const char* syntax_name(PromptSyntax syntax) {
  return syntax == PromptSyntax::kAuto    ? "auto"
         : syntax == PromptSyntax::kPlain ? "plain"
                                          : "a1111";
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json file_name(const std::optional<std::filesystem::path>& path) {
  return path ? Json(path->filename().string()) : Json();
}

/// The file's whole name, as A1111 gives a VAE's; of a folder given with a slash its own.
std::string part_name(const std::filesystem::path& path) {
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

/// Null where the model's own part is used.
Json part_json(const std::optional<std::filesystem::path>& path, const std::string& hash) {
  if (!path) return {};
  return {{"name", part_name(*path)}, {"hash", hash}};
}

double strength_of(const DrawOptions& options) {
  return options.input.strength.value_or(kDefaultStrength);
}

Json steps_json(const AttnSteps& steps) { return Json::array({steps.begin, steps.end}); }

/// Null where a command has no picture to start from.
Json input_json(const DrawOptions& options) {
  const auto& input = options.input;
  if (!input.init_img) return {};
  return {{"init_img", file_name(input.init_img)},
          {"strength", strength_of(options)},
          {"img_scale", input.img_scale ? Json(*input.img_scale) : Json()},
          {"init_mask", file_name(input.init_mask)},
          {"invert_mask", input.invert_mask},
          {"mask_grow", input.mask_grow},
          {"mask_blur", input.mask_blur},
          {"paste", !input.no_paste}};
}

Json swap_json(const DrawOptions& options, const PictureRecord& picture) {
  if (!picture.source) return {};
  const auto& swap = options.swap;
  Json json = {{"source", *picture.source},
               {"branch", picture.is_source ? "source" : "target"},
               {"target", picture.target},
               {"mode", swap.mode == SwapMode::kFork ? "fork" : "p2p"}};
  if (swap.mode == SwapMode::kFork) {
    json["tthres"] = swap.tthres;
    return json;
  }
  json["cross_steps"] = Json::array();
  const bool for_all = std::ranges::any_of(swap.cross_steps,
                                           [](const WordSteps& some) { return some.word.empty(); });
  if (!for_all) {
    json["cross_steps"].push_back({{"word", ""}, {"steps", steps_json(kDefaultCrossSteps)}});
  }
  for (const auto& [word, steps] : swap.cross_steps) {
    json["cross_steps"].push_back({{"word", word}, {"steps", steps_json(steps)}});
  }
  json["cross_box"] = swap.cross_box;
  json["self_steps"] = steps_json(swap.self_steps.value_or(kDefaultSelfSteps));
  json["self_max_res"] = swap.self_max_res.value_or(kDefaultSelfMaxRes);
  if (swap.blends()) {
    json["local_blend"] = swap.local_blend;
    json["blend_except"] = swap.blend_except;
    json["blend_threshold"] = swap.blend_threshold.value_or(kDefaultBlendThreshold);
    json["blend_start"] = swap.blend_start.value_or(kDefaultBlendStart);
    json["blend_res"] = swap.blend_res.value_or(kDefaultBlendRes);
    json["blend_margin"] = swap.blend_margin ? Json(*swap.blend_margin) : Json();
    json["blend_mask"] = file_name(swap.blend_mask);
  }
  return json;
}

/// The prompts whose choices this picture's is one of; null without --combinations.
Json combinations_json(const DrawOptions& options) {
  if (!options.combinations) return {};
  if (options.from_file) return {{"prompts", nullptr}};
  Json json = {{"prompts", Json::array({options.prompt})}};
  if (!options.swap.targets.empty()) json["prompts"] = options.swap.targets;
  if (options.swap.source) json["source"] = *options.swap.source;
  return json;
}

/// Reweighting and what restricts control; null where there is neither.
Json control_json(const ControlOptions& control) {
  Json json;
  for (const auto& weight : control.reweight) {
    json["reweight"].push_back({{"word", weight.word}, {"values", weight.values}});
  }
  if (!control.reweight.empty())
    json["reweight_steps"] = steps_json(control.reweight_steps.value_or(AttnSteps{}));
  if (!control.parts.empty()) json["layers"] = control.parts;
  if (!control.resolutions.empty()) json["res"] = control.resolutions;
  if (!control.heads.empty()) json["heads"] = control.heads;
  if (control.both_rows) json["rows"] = *control.both_rows ? "both" : "cond";
  return json;
}

Json batch_json(const RunRecord& run, const PictureRecord& picture) {
  const auto& options = run.options;
  return {{"n_samples", options.n_samples},
          {"n_iter", options.n_iter},
          {"fixed_code", options.fixed_code},
          {"iteration", picture.iteration},
          {"batch", picture.batch},
          {"batch_size", picture.batch_size},
          {"row", picture.row},
          {"sample", picture.sample},
          {"index", picture.index},
          {"sample_index", picture.sample_index},
          {"samples", run.samples},
          {"grid", picture.grid},
          {"prompt_index", picture.prompt_index},
          {"prompt_count", picture.prompt_count},
          {"prompt_line", picture.prompt_line == 0 ? Json() : Json(picture.prompt_line)}};
}

}  // namespace

const char* command_of(DrawTask task) {
  switch (task) {
    case DrawTask::kImg2Img:
      return "img2img";
    case DrawTask::kSwap:
      return "swap";
    default:
      return "txt2img";
  }
}

std::string model_name(const std::filesystem::path& checkpoint) {
  std::error_code error;
  auto whole = std::filesystem::canonical(
      checkpoint, error);  // a folder may be given as "." or with a slash behind
  if (error) whole = checkpoint;
  return std::filesystem::is_directory(whole, error) ? whole.filename().string()
                                                     : whole.stem().string();
}

std::string weights_text(const ControlOptions& control, int64_t sample) {
  std::string text;
  for (const auto& [word, values] : control.reweight) {
    const double value =
        values.size() == 1 ? values[0] : values.at(static_cast<std::size_t>(sample));
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", word, number_text(value));
  }
  return text;
}

Infotext infotext_of(const RunRecord& run, const PictureRecord& picture) {
  const auto& options = run.options;
  Infotext info{picture.prompt, options.negative_prompt, {}};
  auto& settings = info.settings;
  settings = {{"Steps", std::to_string(options.ddim_steps)},
              {"Sampler", sampler_name(options)},
              {"CFG scale", number_text(options.scale)},
              {"Seed", std::to_string(seed_of(options, picture.sample_index))},
              {"Size", fmt::format("{}x{}", run.width, run.height)}};
  if (scheduler_of(options) != SchedulerKind::kUniform) {
    settings.insert(settings.begin() + 2,
                    {"Schedule type", std::string(label_of(scheduler_of(options)))});
  }
  if (!run.model_hash.empty())
    settings.emplace_back("Model hash", run.model_hash.substr(0, kShortHash));
  settings.emplace_back("Model", run.model_name);
  if (options.vae) {
    if (!run.vae_hash.empty()) settings.emplace_back("VAE hash", run.vae_hash);
    settings.emplace_back("VAE", part_name(*options.vae));
  }
  if (options.variation) {
    settings.emplace_back("Variation seed",
                          std::to_string(variation_seed_of(options, picture.sample_index)));
    settings.emplace_back("Variation seed strength", number_text(options.variation->strength));
  }
  if (options.input.init_img) {
    settings.emplace_back("Denoising strength", number_text(strength_of(options)));
  }
  if (options.input.img_scale) {
    settings.emplace_back("Image CFG scale", number_text(*options.input.img_scale));
  }
  if (options.clip_skip > 1) settings.emplace_back("Clip skip", std::to_string(options.clip_skip));
  if (options.rng != RngChoice::kDevice) settings.emplace_back("RNG", infotext_rng(options.rng));
  if (options.ddim_eta != 0) settings.emplace_back("Eta", number_text(options.ddim_eta));
  // Cells of a grid share a batch, but no random numbers, which is what this is said for.
  if (picture.batch_size > 1 && !options.batch.grid) {
    settings.emplace_back("Batch size", std::to_string(picture.batch_size));
    settings.emplace_back("Batch pos", std::to_string(picture.sample));
  }
  if (picture.source) settings.emplace_back("Source prompt", *picture.source);
  if (!options.control.reweight.empty() && !picture.is_source) {
    settings.emplace_back("Reweight", weights_text(options.control, picture.sample));
  }
  if (options.clip) settings.emplace_back("Text encoder", part_name(*options.clip));
  settings.emplace_back("Version", "sd " SD_VERSION);
  return info;
}

Json settings_of(const RunRecord& run, const PictureRecord& picture) {
  const auto& options = run.options;
  const auto& from_file = options.from_file;
  Json settings = {
      {"version", SD_VERSION},
      {"command", command_of(options.task)},
      {"prompt", picture.prompt},
      {"negative_prompt", options.negative_prompt},
      {"prompt_syntax", syntax_name(options.prompt_syntax)},
      {"clip_skip", options.clip_skip},
      {"width", run.width},
      {"height", run.height},
      {"steps", options.ddim_steps},
      {"sampler", info_of(options.chosen_sampler()).name},
      {"scheduler", name_of(scheduler_of(options))},
      {"scale", options.scale},
      {"eta", options.ddim_eta},
      {"seed", options.seed.value()},
      {"seed_mode", options.seed_mode == SeedMode::kImage ? "image" : "batch"},
      {"rng", name_of(options.rng)},
      {"run", batch_json(run, picture)},
      {"from_file", from_file ? file_name(std::filesystem::path(*from_file)) : Json()},
      {"init_latents", file_name(options.init_latents)},
      {"model", {{"name", run.model_name}, {"format", run.model_format}, {"hash", run.model_hash}}},
      {"ema", options.ema},
      {"config", file_name(options.config)},
      {"prediction", options.prediction ? Json(name_of(*options.prediction)) : Json()},
      {"device", run.device},
      {"dtype", run.dtype},
      {"threads", run.threads}};
  if (!run.file_hashes.empty()) settings["file_hashes"] = run.file_hashes;
  settings["args"] = repeat_args(run);
  if (options.variation) {
    settings["variation"] = {{"seed", options.variation->seed},
                             {"strength", options.variation->strength}};
  }
  for (const auto& [key, json] : {std::pair<const char*, Json>{"input", input_json(options)},
                                  {"combinations", combinations_json(options)},
                                  {"vae", part_json(options.vae, run.vae_hash)},
                                  {"clip", part_json(options.clip, run.clip_hash)},
                                  {"swap", swap_json(options, picture)},
                                  {"control", control_json(options.control)}}) {
    if (!json.is_null()) settings[key] = json;
  }
  return settings;
}

NameFields name_fields_of(const RunRecord& run, const PictureRecord& picture) {
  const auto& options = run.options;
  NameFields fields;
  fields.seed = seed_of(options, picture.sample_index);
  fields.index = picture.index;
  fields.iteration = picture.iteration;
  fields.sample = picture.sample;
  fields.target = picture.target;
  fields.steps = options.ddim_steps;
  fields.width = run.width;
  fields.height = run.height;
  fields.prompt = picture.prompt;
  fields.source = picture.source.value_or("");
  fields.model = run.model_name;
  fields.sampler = std::string(info_of(options.chosen_sampler()).name);
  fields.scale = number_text(options.scale);
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  fields.date = fmt::format("{:%Y-%m-%d}", local);
  fields.time = fmt::format("{:%H-%M-%S}", local);
  return fields;
}

std::vector<PngText> png_texts(const RunRecord& run, const PictureRecord& picture) {
  return {{"parameters", format_infotext(infotext_of(run, picture))},
          {"sd", dump(settings_of(run, picture))}};
}

std::string json_line(const RunRecord& run, const PictureRecord& picture,
                      const std::filesystem::path& path, double seconds) {
  Json line = {{"path", path.empty() ? Json() : Json(path.string())}, {"seconds", seconds}};
  line.update(settings_of(run, picture));
  return json_line_of("image", line);
}

std::string maps_json_line(const std::filesystem::path& contact,
                           const std::filesystem::path& picture) {
  return json_line_of(
      "attention",
      {{"path", contact.string()}, {"picture", picture.empty() ? Json() : Json(picture.string())}});
}

std::string grid_json_line(const std::filesystem::path& path, std::size_t pictures) {
  return json_line_of("grid", {{"path", path.string()}, {"pictures", pictures}});
}

}  // namespace sd::cli
