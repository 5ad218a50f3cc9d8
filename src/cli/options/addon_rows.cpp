// What is added to a model.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/options/network_options.h"
#include "cli/options/option_table.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/text/network_words.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;
using Texts = std::vector<std::string> NetworkOptions::*;

/// A file's name without folders, and without ending where it has one of weights.
std::string stem_of(const std::string& name) {
  const std::filesystem::path path(name);
  const auto ending = path.extension().string();
  const bool weights =
      ending == ".safetensors" || ending == ".pt" || ending == ".ckpt" || ending == ".bin";
  return (weights ? path.stem() : path.filename()).string();
}

OptionValue networks(Texts field) {
  auto value = repeated(
      "LORA", [field](DrawOptions& options, const std::string& option, const std::string& text) {
        try {
          parse_network_words(text);
        } catch (const UsageError& error) {
          throw UsageError(fmt::format("{}: {}", option, error.what()));
        }
        (options.networks.*field).push_back(text);
      });
  value.tell = [field](const DrawOptions& options) {
    Json told = Json::array();
    for (const auto& text : options.networks.*field) told.push_back(network_label(text));
    return told;
  };
  value.files = [](const std::string& text) {
    std::vector<std::string> files;
    for (const auto& path : network_paths(text)) files.push_back(path.string());
    return files;
  };
  value.is_set = [field](const DrawOptions& options) { return !(options.networks.*field).empty(); };
  return value;
}

template <Texts field>
std::string joined(const DrawOptions& options) {
  std::string text;
  for (const auto& one : options.networks.*field) {
    text += (text.empty() ? "" : ", ") + network_label(one);
  }
  return text;
}

}  // namespace

std::vector<std::filesystem::path> network_paths(const std::string& value) {
  const auto name = parse_network_words(value).name;
  if (name.find('/') == std::string::npos && !sd::is_named(std::filesystem::path(name))) return {};
  return {name};
}

std::string network_label(const std::string& value) {
  const auto name = parse_network_words(value).name;
  return stem_of(name) + value.substr(name.size());
}

std::vector<OptionRow> addon_rows() {
  constexpr const char* kGroup = "Added to the model";
  return {
      {.names = "lora",
       .synonyms = "lora_weights,lora_path",
       .group = kGroup,
       .help =
           "A LoRA or its kin, by file or by its name in\nSD_LORA_DIR or loras/ beside the model: "
           "NAME[:WEIGHT[:UNET]],\nthen te=, unet=, lbw=, start=, stop=; <lora:NAME:WEIGHT> "
           "in\na prompt holds for that prompt",
       .value = networks(&NetworkOptions::loras),
       .key = {"lora", "clip"},
       .told_if_given = true,
       .infotext = {.key = "Lora",
                    .after = "Text encoder",
                    .text = joined<&NetworkOptions::loras>}},
      {.names = "target-lora",
       .group = "Swap",
       .help = "The same for what is drawn of --prompt alone; the\nsource does without",
       .value = networks(&NetworkOptions::target_loras),
       .commands = kSwapCommand,
       .key = {"target_lora", "lora"},
       .told_if_given = true,
       .infotext = {.key = "Target lora",
                    .after = "Lora",
                    .text = joined<&NetworkOptions::target_loras>}},
  };
}

}  // namespace sd::cli
