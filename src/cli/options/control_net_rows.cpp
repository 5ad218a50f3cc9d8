// ControlNets and T2I-Adapters.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/options/control_net_options.h"
#include "cli/options/option_table.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

bool has_nets(const DrawOptions& options) { return !options.nets.inputs.empty(); }

constexpr std::string_view kOfNets = "belongs to a control net: --control NET:PICTURE";

Json input_json(const ControlInput& input) {
  Json json = {{"net", control_name(input.net)}};
  if (!input.hash.empty()) json["hash"] = input.hash;
  json["picture"] = input.picture.filename().string();
  json["weight"] = input.weight;
  json["start"] = input.start;
  json["end"] = input.end;
  return json;
}

OptionValue control() {
  auto value =
      repeated("FILE:PICTURE[:WEIGHT[:START:END]]",
               [](DrawOptions& options, const std::string& option, const std::string& text) {
                 if (options.nets.inputs.size() == kMostControls) {
                   throw UsageError(fmt::format("{}: more than {} of them", option, kMostControls));
                 }
                 options.nets.inputs.push_back(parse_control(option, text));
               });
  value.tell = [](const DrawOptions& options) {
    Json inputs = Json::array();
    for (const auto& input : options.nets.inputs) inputs.push_back(input_json(input));
    return inputs;
  };
  value.is_set = has_nets;
  value.files = [](const std::string& text) {
    const auto input = parse_control("--control", text);
    return std::vector<std::string>{input.net.string(), input.picture.string()};
  };
  return value;
}

/// One of some words for all nets, or one for each.
template <typename Value>
OptionValue one_each(std::vector<Value> ControlNetOptions::*field, Choices<Value> choices) {
  std::vector<std::string> words;
  for (const auto& known : choices) words.push_back(known.first);
  auto value = repeated(words_type(words),
                        [field, choices, words](DrawOptions& options, const std::string& option,
                                                const std::string& text) {
                          for (const auto& [word, meaning] : choices) {
                            if (word != text) continue;
                            (options.nets.*field).push_back(meaning);
                            return;
                          }
                          reject_word(option, text, words);
                        });
  value.tell = [field, choices](const DrawOptions& options) {
    Json told = Json::array();
    for (const auto& given : options.nets.*field) told.push_back(name_of(given));
    return told;
  };
  value.is_set = [field](const DrawOptions& options) { return !(options.nets.*field).empty(); };
  return value;
}

OptionValue preprocess_value() {
  auto value = repeated(
      "NAME[:N[:N]]", [](DrawOptions& options, const std::string& option, const std::string& text) {
        options.nets.preprocess.push_back(parse_control_preprocess(option, text));
      });
  value.tell = [](const DrawOptions& options) {
    Json told = Json::array();
    for (const auto& given : options.nets.preprocess) told.push_back(given.text);
    return told;
  };
  value.is_set = [](const DrawOptions& options) { return !options.nets.preprocess.empty(); };
  return value;
}

}  // namespace

std::vector<OptionRow> control_net_rows() {
  constexpr const char* kGroup = "Control nets";
  return {
      {.names = "control",
       .group = kGroup,
       .help =
           "Draw by a picture: a ControlNet or T2I-Adapter, the map\nit is shown, how much it "
           "weighs (1) and in which steps\n(0:1, all); may be repeated, what they add is summed",
       .value = control(),
       .role = Role::kInputFile,
       .key = {"nets.control", "tome"},
       .told_if_given = true},
      {.names = "control-mode",
       .group = kGroup,
       .help =
           "What counts more, the prompt or the net (balanced); once\nfor all nets, or once for "
           "each, as what follows",
       .value = one_each(&ControlNetOptions::modes,
                         Choices<ControlMode>{{"balanced", ControlMode::kBalanced},
                                              {"prompt", ControlMode::kPrompt},
                                              {"control", ControlMode::kControl}}),
       .needs = has_nets,
       .without = kOfNets,
       .key = {"nets.control_mode"},
       .told_if_given = true},
      {.names = "control-resize",
       .group = kGroup,
       .help = "How a picture of another shape is made to fit (crop)",
       .value = one_each(&ControlNetOptions::resizes,
                         Choices<ControlResize>{{"crop", ControlResize::kCrop},
                                                {"fill", ControlResize::kFill},
                                                {"stretch", ControlResize::kStretch}}),
       .needs = has_nets,
       .without = kOfNets,
       .key = {"nets.control_resize"},
       .told_if_given = true},
      {.names = "control-preprocess",
       .group = kGroup,
       .help = "Make the map from the picture: canny[:LOW:HIGH],\nthreshold[:N], invert, tile[:N], "
               "blur[:SIGMA],\nscribble[:N], shuffle[:SEED], none (as sd preprocess)",
       .value = preprocess_value(),
       .needs = has_nets,
       .without = kOfNets,
       .key = {"nets.control_preprocess"},
       .told_if_given = true},
  };
}

}  // namespace sd::cli
