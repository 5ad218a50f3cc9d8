#include "cli/picture_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/choices.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShortHash = 10;  // A1111's "Model hash"

/// A1111's words for where the noise comes from; its own default is the device's generator too.
std::string infotext_rng(RngChoice rng) { return rng == RngChoice::kCuda ? "NV" : "CPU"; }

std::string sampler_name(const Txt2ImgOptions& options) { return options.plms ? "PLMS" : "DDIM"; }

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json file_name(const std::optional<std::filesystem::path>& path) {
  return path ? Json(path->filename().string()) : Json();
}

Json batch_json(const Txt2ImgOptions& options, const PictureRecord& picture) {
  return {{"n_samples", options.n_samples},
          {"n_iter", options.n_iter},
          {"fixed_code", options.fixed_code},
          {"iteration", picture.iteration},
          {"batch", picture.batch},
          {"batch_size", picture.batch_size},
          {"row", picture.row},
          {"index", picture.index},
          {"prompt_index", picture.prompt_index},
          {"prompt_count", picture.prompt_count},
          {"prompt_line", picture.prompt_line == 0 ? Json() : Json(picture.prompt_line)}};
}

}  // namespace

std::string model_name(const std::filesystem::path& checkpoint) {
  std::error_code error;
  auto whole = std::filesystem::canonical(
      checkpoint, error);  // a folder may be given as "." or with a slash behind
  if (error) whole = checkpoint;
  return std::filesystem::is_directory(whole, error) ? whole.filename().string()
                                                     : whole.stem().string();
}

Infotext infotext_of(const RunRecord& run, const PictureRecord& picture) {
  const auto& options = run.options;
  Infotext info{picture.prompt, options.negative_prompt, {}};
  auto& settings = info.settings;
  settings = {{"Steps", std::to_string(options.ddim_steps)},
              {"Sampler", sampler_name(options)},
              {"CFG scale", number_text(options.scale)},
              {"Seed", std::to_string(options.seed)},
              {"Size", fmt::format("{}x{}", run.width, run.height)}};
  if (!run.model_hash.empty())
    settings.emplace_back("Model hash", run.model_hash.substr(0, kShortHash));
  settings.emplace_back("Model", run.model_name);
  if (options.rng != RngChoice::kDevice) settings.emplace_back("RNG", infotext_rng(options.rng));
  if (options.ddim_eta != 0) settings.emplace_back("Eta", number_text(options.ddim_eta));
  if (picture.batch_size > 1) {
    settings.emplace_back("Batch size", std::to_string(picture.batch_size));
    settings.emplace_back("Batch pos", std::to_string(picture.row));
  }
  settings.emplace_back("Version", "sd " SD_VERSION);
  return info;
}

Json settings_of(const RunRecord& run, const PictureRecord& picture) {
  const auto& options = run.options;
  const auto& from_file = options.from_file;
  return {
      {"version", SD_VERSION},
      {"command", "txt2img"},
      {"prompt", picture.prompt},
      {"negative_prompt", options.negative_prompt},
      {"width", run.width},
      {"height", run.height},
      {"steps", options.ddim_steps},
      {"sampler", sampler_name(options)},
      {"scale", options.scale},
      {"eta", options.ddim_eta},
      {"seed", options.seed},
      {"rng", name_of(options.rng)},
      {"run", batch_json(options, picture)},
      {"from_file", from_file ? file_name(std::filesystem::path(*from_file)) : Json()},
      {"init_latents", file_name(options.init_latents)},
      {"model", {{"name", run.model_name}, {"format", run.model_format}, {"hash", run.model_hash}}},
      {"ema", options.ema},
      {"config", file_name(options.config)},
      {"device", run.device},
      {"dtype", run.dtype},
      {"threads", run.threads}};
}

std::vector<PngText> png_texts(const RunRecord& run, const PictureRecord& picture) {
  return {{"parameters", format_infotext(infotext_of(run, picture))},
          {"sd", dump(settings_of(run, picture))}};
}

std::string json_line(const RunRecord& run, const PictureRecord& picture,
                      const std::filesystem::path& path) {
  Json line = {{"kind", "image"}, {"path", path.empty() ? Json() : Json(path.string())}};
  line.update(settings_of(run, picture));
  return dump(line);
}

std::string maps_json_line(const std::filesystem::path& contact,
                           const std::filesystem::path& picture) {
  return dump({{"kind", "attention"},
               {"path", contact.string()},
               {"picture", picture.empty() ? Json() : Json(picture.string())}});
}

std::string grid_json_line(const std::filesystem::path& path, std::size_t pictures) {
  return dump({{"kind", "grid"}, {"path", path.string()}, {"pictures", pictures}});
}

}  // namespace sd::cli
