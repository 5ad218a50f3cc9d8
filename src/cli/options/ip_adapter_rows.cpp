// Pictures that are followed beside the prompt.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/options/ip_adapter_option.h"
#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

template <typename Field>
auto followed(Field ImagePromptOptions::*field) {
  return in(&DrawOptions::image_prompts, field);
}

OptionValue adapters() {
  auto value =
      repeated("FILE:PICTURE[:WEIGHT[:START:END]]",
               [](DrawOptions& options, const std::string& option, const std::string& text) {
                 options.image_prompts.adapters.push_back(parse_ip_adapter(option, text));
               });
  value.tell = [](const DrawOptions& options) {
    Json list = Json::array();
    for (const auto& [adapter, picture, weight, steps] : options.image_prompts.adapters) {
      list.push_back({{"adapter", adapter.filename().string()},
                      {"picture", picture.filename().string()},
                      {"weight", weight},
                      {"steps", {steps.begin, steps.end}}});
    }
    return list;
  };
  value.is_set = values::set_in(followed(&ImagePromptOptions::adapters));
  value.files = [](const std::string& text) {
    const auto one = parse_ip_adapter("--ip-adapter", text);
    return std::vector<std::string>{one.adapter.string(), one.picture.string()};
  };
  return value;
}

/// "ip-adapter-plus_sd15.safetensors (cat.png) 0.6, …"
std::string adapters_text(const DrawOptions& options) {
  std::string text;
  for (const auto& [adapter, picture, weight, steps] : options.image_prompts.adapters) {
    text += fmt::format("{}{} ({}) {}", text.empty() ? "" : ", ", adapter.filename().string(),
                        picture.filename().string(), number_text(weight));
    if (steps != StepShare{})
      text += fmt::format(" from {} to {}", number_text(steps.begin), number_text(steps.end));
  }
  return text;
}

OptionValue weights() {
  Choices<IpWeights> choices;
  for (const auto& name : ip_weights_names()) choices.emplace_back(name, *find_ip_weights(name));
  return choice(followed(&ImagePromptOptions::weights), std::move(choices));
}

bool follows_pictures(const DrawOptions& options) {
  return !options.image_prompts.adapters.empty();
}

}  // namespace

std::vector<OptionRow> ip_adapter_rows() {
  constexpr const char* kGroup = "Added to the model";
  constexpr const char* kWithout = "belongs to --ip-adapter";
  return {
      {.names = "ip-adapter",
       .synonyms = "ip_adapter_model",
       .group = kGroup,
       .help = "Follow a picture beside the prompt, by an IP-Adapter\n(plain, Plus, Plus-face, "
               "full-face), with a weight (1)\nin a part of the steps (0:1). May be given again",
       .value = adapters(),
       .role = Role::kInputFile,
       .key = {"ip_adapter", "embeddings"},
       .told_if_given = true,
       .infotext = {.key = "IP-Adapter", .after = "Text encoder", .text = adapters_text}},
      {.names = "ip-vision",
       .synonyms = "clip_vision,image_encoder",
       .group = kGroup,
       .help = "CLIP's vision tower for it: a file or folder (what lies\nbeside the adapter: "
               "image_encoder/, clip_vision*.safetensors)",
       .value = path(followed(&ImagePromptOptions::vision), "FILE"),
       .role = Role::kModelFile,
       .needs = follows_pictures,
       .without = kWithout,
       .key = {"ip_vision", "ip_adapter"},
       .told_if_given = true},
      {.names = "ip-weights",
       .group = kGroup,
       .help = "How its weight varies from the UNet's first block to\nits last",
       .value = weights(),
       .needs = follows_pictures,
       .without = kWithout,
       .key = {"ip_weights", "ip_vision"},
       .told_if_given = true,
       .infotext = {.key = "IP-Adapter weights", .after = "IP-Adapter"}},
  };
}

}  // namespace sd::cli
