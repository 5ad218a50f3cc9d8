#include <array>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "image/comfy_graph.h"

namespace sd {
namespace {

using Json = nlohmann::ordered_json;

/// The editor's own widget behind a seed: "fixed", "randomize", …
constexpr std::string_view kSeedControl = "control_after_generate";

// More than anybody links; each new one is searched for among the others.
constexpr std::size_t kMostNodes = 2000;
constexpr std::size_t kMostInputs = 200;

/// Which inputs a node's values are, in their order.
std::span<const std::string_view> widgets_of(std::string_view type) {
  static constexpr std::array<std::string_view, 7> kSampler = {
      "seed", kSeedControl, "steps", "cfg", "sampler_name", "scheduler", "denoise"};
  static constexpr std::array<std::string_view, 7> kAdvanced = {
      "add_noise", "noise_seed", kSeedControl, "steps", "cfg", "sampler_name", "scheduler"};
  static constexpr std::array<std::string_view, 1> kText = {"text"};
  static constexpr std::array<std::string_view, 2> kEmpty = {"width", "height"};
  static constexpr std::array<std::string_view, 1> kCheckpoint = {"ckpt_name"};
  static constexpr std::array<std::string_view, 1> kClip = {"stop_at_clip_layer"};
  static constexpr std::array<std::string_view, 1> kLora = {"lora_name"};
  static constexpr std::array<std::string_view, 1> kImage = {"image"};
  static constexpr std::array<std::string_view, 1> kValue = {"value"};
  if (type == "KSampler") return kSampler;
  if (type == "KSamplerAdvanced") return kAdvanced;
  if (type == "CLIPTextEncode") return kText;
  if (type == "EmptyLatentImage") return kEmpty;
  if (type == "CheckpointLoaderSimple") return kCheckpoint;
  if (type == "CLIPSetLastLayer") return kClip;
  if (type == "LoraLoader") return kLora;
  if (type == "LoadImage") return kImage;
  if (type == "PrimitiveNode") return kValue;
  return {};
}

const Json& member(const Json& object, const char* key) {
  static const Json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::string id_of(const Json& id) {
  return id.is_string() ? id.get<std::string>() : id.is_number_integer() ? id.dump() : "";
}

/// From which node each link comes: [link, from, slot, to, slot, type].
std::map<std::string, std::string> origins_of(const Json& links) {
  std::map<std::string, std::string> origins;
  for (const auto& link : links.is_array() ? links : Json::array()) {
    if (link.is_array() && link.size() >= 2) origins[id_of(link[0])] = id_of(link[1]);
  }
  return origins;
}

void take_widgets(const Json& values, std::span<const std::string_view> names, Json& inputs) {
  if (!values.is_array()) return;
  std::size_t at = 0;
  for (const auto name : names) {
    if (at == values.size()) return;
    if (name == kSeedControl) {  // files of older editors have none
      at += values[at].is_string() ? 1 : 0;
    } else {
      inputs[std::string(name)] = values[at++];
    }
  }
}

}  // namespace

Json graph_of_workflow(const Json& workflow) {
  Json graph = Json::object();
  const auto& nodes = member(workflow, "nodes");
  const auto origins = origins_of(member(workflow, "links"));
  for (const auto& node : nodes.is_array() ? nodes : Json::array()) {
    const auto id = id_of(member(node, "id"));
    const auto& type = member(node, "type");
    if (id.empty() || !type.is_string() || graph.size() >= kMostNodes) continue;
    Json inputs = Json::object();
    take_widgets(member(node, "widgets_values"), widgets_of(type.get_ref<const std::string&>()),
                 inputs);
    const auto& links = member(node, "inputs");
    for (const auto& input : links.is_array() ? links : Json::array()) {
      const auto& name = member(input, "name");
      const auto origin = origins.find(id_of(member(input, "link")));
      if (!name.is_string() || origin == origins.end() || origin->second.empty()) continue;
      if (inputs.size() == kMostInputs) break;
      inputs[name.get_ref<const std::string&>()] = Json::array({origin->second, 0});
    }
    graph[id] = {{"class_type", type}, {"inputs", std::move(inputs)}};
  }
  return graph;
}

}  // namespace sd
