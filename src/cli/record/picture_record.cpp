#include "cli/record/picture_record.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <functional>
#include <initializer_list>
#include <map>

#include "cli/options/control_net_options.h"
#include "cli/options/option_table.h"
#include "cli/options/seed_rule.h"
#include "cli/record/key_order.h"
#include "cli/record/repeat_args.h"
#include "cli/shell/json_lines.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShortHash = 10;  // A1111's "Model hash"

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// What is known of a picture beside its options; a fact wins over an option of the same key.
using Facts = std::map<std::string, Json, std::less<>>;

/// Where facts stand among the keys of the options.
constexpr std::array<KeyPlace, 19> kFactPlaces = {{
    {"run.iteration", "run.fixed_code"},
    {"run.batch"},
    {"run.batch_size"},
    {"run.row"},
    {"run.sample"},
    {"run.index"},
    {"run.sample_index"},
    {"run.samples"},
    {"run.grid"},
    {"run.prompt_index"},
    {"run.prompt_count"},
    {"run.prompt_line"},
    {"model.name", "init_latents"},
    {"model.format"},
    {"model.hash"},
    {"file_hashes", "threads"},
    {"args"},
    {"swap.branch", "swap.source"},
    {"swap.target"},
}};
constexpr std::array<KeyPlace, 5> kHashPlaces = {{{"vae.hash", "vae.name"},
                                                  {"inversion.hash", "inversion.file"},
                                                  {"clip.hash", "clip.name"},
                                                  {"lora_hashes", "target_lora"},
                                                  {"embeddings", "clip"}}};

/// Every key that metadata may have, in order.
const std::vector<std::string>& record_order() {
  static const auto order = [] {
    std::vector<KeyPlace> places = {{"version"}, {"command"}};
    for (const auto& row : option_rows()) places.push_back(row.key);
    places.insert(places.end(), kFactPlaces.begin(), kFactPlaces.end());
    places.insert(places.end(), kHashPlaces.begin(), kHashPlaces.end());
    return key_order(places);
  }();
  return order;
}

/// The same of an infotext.
const std::vector<std::string>& infotext_order() {
  static const auto order = [] {
    std::vector<std::string> control_keys;  // which the places refer to
    control_keys.reserve(kMostControls);
    std::vector<KeyPlace> places = {{"Prompt"}};  // which stands above the settings
    for (const auto& row : option_rows()) places.push_back({row.infotext.key, row.infotext.after});
    for (const KeyPlace& fact : std::initializer_list<KeyPlace>{{"Size", "Seed"},
                                                                {"Model hash"},
                                                                {"Model"},
                                                                {"VAE hash"},
                                                                {"Variation seed", "VAE"},
                                                                {"Batch size", "Eta"},
                                                                {"Batch pos"},
                                                                {"Source prompt"},
                                                                {"Reweight"},
                                                                {"Lora hashes", "Text encoder"},
                                                                {"TI hashes"},
                                                                {"Version"}}) {
      places.push_back(fact);
    }
    for (std::size_t i = 0; i < kMostControls; ++i) {
      control_keys.push_back(fmt::format("ControlNet {}", i));
      places.push_back({control_keys[i], i == 0 ? "Token merging ratio" : ""});
    }
    return key_order(places);
  }();
  return order;
}

/// "ink: 0123456789ab, line: …", as the web UI writes it; names without what stands between them.
std::string hashes_text(const std::map<std::string, std::string>& hashes) {
  std::string text;
  for (const auto& [whole, hash] : hashes) {
    auto name = whole;
    std::erase_if(name, [](char c) { return c == ':' || c == ','; });
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", name, hash);
  }
  return text;
}

Facts facts_of(const RunRecord& run, const PictureRecord& picture) {
  const auto& options = run.options;
  Facts facts = {{"version", SD_VERSION},
                 {"command", command_of(options.task)},
                 {"prompt", picture.prompt},
                 {"width", run.width},
                 {"height", run.height},
                 {"device", run.device},
                 {"dtype", run.dtype},
                 {"threads", run.threads},
                 {"model.name", run.model_name},
                 {"model.format", run.model_format},
                 {"model.hash", run.model_hash},
                 {"run.iteration", picture.iteration},
                 {"run.batch", picture.batch},
                 {"run.batch_size", picture.batch_size},
                 {"run.row", picture.row},
                 {"run.sample", picture.sample},
                 {"run.index", picture.index},
                 {"run.sample_index", picture.sample_index},
                 {"run.samples", run.samples},
                 {"run.grid", picture.grid},
                 {"run.prompt_index", picture.prompt_index},
                 {"run.prompt_count", picture.prompt_count},
                 {"run.prompt_line", picture.prompt_line == 0 ? Json() : Json(picture.prompt_line)},
                 {"args", repeat_args(run)}};
  if (!run.file_hashes.empty()) facts["file_hashes"] = run.file_hashes;
  if (!run.lora_hashes.empty()) facts["lora_hashes"] = run.lora_hashes;
  if (options.vae) facts["vae.hash"] = run.vae_hash;
  if (options.clip) facts["clip.hash"] = run.clip_hash;
  if (const auto hash = run.file_hashes.find("inversion"); hash != run.file_hashes.end())
    facts["inversion.hash"] = hash->second;
  for (const auto& [name, file, hash] : run.embeddings)
    facts["embeddings"].push_back({{"name", name}, {"file", file}, {"hash", hash}});
  if (picture.source) {
    facts["swap.source"] = *picture.source;
    facts["swap.branch"] = picture.is_source ? "source" : "target";
    facts["swap.target"] = picture.target;
  }
  return facts;
}

/// "EasyNegative: c74b4e810b03, …", as AUTOMATIC1111's web UI has it.
std::string embeddings_text(const std::vector<UsedEmbedding>& embeddings) {
  std::string text;
  for (const auto& [name, file, hash] : embeddings)
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", name, hash);
  return text;
}

/// The options of a picture: of a list, its own source beside them.
DrawOptions options_of(const RunRecord& run, const PictureRecord& picture) {
  auto options = run.options;
  if (!picture.source) {
    options.swap.source.reset();
  } else if (!options.swap.source) {
    options.swap.source = picture.source;
  }
  return options;
}

/// Puts `value` where "input.strength" says: into the object `input`.
void put(Json& json, std::string_view key, Json value) {
  const auto dot = key.find('.');
  if (dot == key.npos) {
    json[std::string(key)] = std::move(value);
  } else {
    json[std::string(key.substr(0, dot))][std::string(key.substr(dot + 1))] = std::move(value);
  }
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
  std::map<std::string, std::string, std::less<>> told;
  for (const auto& row : option_rows()) {
    if (row.infotext.key.empty() || !is_in_infotext(row, options)) continue;
    told[std::string(row.infotext.key)] = infotext_of(row, options);
  }
  told["Seed"] = std::to_string(seed_of(options, picture.sample_index));
  told["Size"] = fmt::format("{}x{}", run.width, run.height);
  if (!run.model_hash.empty()) told["Model hash"] = run.model_hash.substr(0, kShortHash);
  told["Model"] = run.model_name;
  if (options.vae && !run.vae_hash.empty()) told["VAE hash"] = run.vae_hash;
  if (!run.lora_hashes.empty()) told["Lora hashes"] = hashes_text(run.lora_hashes);
  if (options.variation) {
    told["Variation seed"] = std::to_string(variation_seed_of(options, picture.sample_index));
  }
  // Cells of a grid share a batch, but no random numbers, which is what this is said for.
  if (picture.batch_size > 1 && !options.batch.grid) {
    told["Batch size"] = std::to_string(picture.batch_size);
    told["Batch pos"] = std::to_string(picture.sample);
  }
  if (picture.source) told["Source prompt"] = *picture.source;
  if (!options.control.reweight.empty() && !picture.is_source) {
    told["Reweight"] = weights_text(options.control, picture.sample);
  }
  if (!run.embeddings.empty()) told["TI hashes"] = embeddings_text(run.embeddings);
  for (std::size_t i = 0; i < options.nets.inputs.size(); ++i)
    told[fmt::format("ControlNet {}", i)] = control_infotext(options.nets, i);
  told["Version"] = "sd " SD_VERSION;
  Infotext info{picture.prompt, options.negative_prompt, {}};
  for (const auto& key : infotext_order()) {
    if (const auto found = told.find(key); found != told.end())
      info.settings.emplace_back(key, found->second);
  }
  return info;
}

Json settings_of(const RunRecord& run, const PictureRecord& picture) {
  auto told = facts_of(run, picture);
  const auto options = options_of(run, picture);
  for (const auto& row : option_rows()) {
    if (!row.key.key.empty() && is_told(row, options))
      told.try_emplace(std::string(row.key.key), row.value.tell(options));
  }
  Json settings;
  for (const auto& key : record_order()) {
    if (auto found = told.find(key); found != told.end())
      put(settings, key, std::move(found->second));
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
  fields.steps = options.steps;
  fields.width = run.width;
  fields.height = run.height;
  fields.prompt = picture.prompt;
  fields.source = picture.source.value_or("");
  fields.model = run.model_name;
  fields.sampler = std::string(info_of(options.chosen_sampler()).name);
  fields.scale = number_text(options.guidance_scale);
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
