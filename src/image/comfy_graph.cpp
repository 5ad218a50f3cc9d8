// ComfyUI's graphs. A sampler, the texts, the empty picture and the checkpoint that it is linked to
// are read; what else stands in between is named.
#include "image/comfy_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "image/foreign_fields.h"
#include "image/json_text.h"

namespace sd {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMostHops = 50;  // between two nodes; a graph may go round in circles

struct Node {
  std::string type;
  const Json* inputs = nullptr;  // an object
};

class ComfyGraph {
 public:
  explicit ComfyGraph(const Json& graph) {
    for (const auto& [id, node] : graph.items()) {
      if (!node.is_object()) continue;
      const auto type = node.find("class_type"), inputs = node.find("inputs");
      if (type == node.end() || !type->is_string() || inputs == node.end()) continue;
      if (!inputs->is_object()) continue;
      order_.push_back(id);
      nodes_[id] = {type->get<std::string>(), &*inputs};
    }
  }

  bool empty() const { return nodes_.empty(); }

  std::optional<ForeignRecipe> read() {
    const auto* sampler = first_sampler();
    recipe_.program = "ComfyUI";
    if (sampler == nullptr) {
      recipe_.notes.emplace_back("its workflow has no KSampler that says steps and seed");
      return recipe_;
    }
    auto& info = recipe_.info;
    info.prompt = prompt_at(*sampler, "positive");
    info.negative_prompt = prompt_at(*sampler, "negative");
    auto steps = value(*sampler, "steps");
    const auto picture = read_latents(*sampler);
    const auto denoise = value(*sampler, "denoise");
    if (picture && denoise) steps = all_steps(steps, *denoise);
    add_setting(info, "Steps", steps);
    add_setting(info, "Sampler", value(*sampler, "sampler_name"));
    add_setting(info, "Schedule type", value(*sampler, "scheduler"));
    add_setting(info, "CFG scale", value(*sampler, "cfg"));
    const auto seed = value(*sampler, "seed");
    add_setting(info, "Seed", seed ? seed : value(*sampler, "noise_seed"));
    add_setting(info, "Size", size_);
    read_model(*sampler);
    add_setting(info, "Clip skip", clip_skip_);
    if (picture) add_setting(info, "Denoising strength", denoise ? denoise : "1");
    add_setting(info, "RNG", "CPU");  // its noise is drawn there, whatever computes
    return recipe_;
  }

 private:
  static bool is_sampler(const Node& node) {
    const bool seeds = node.inputs->contains("seed") || node.inputs->contains("noise_seed");
    return node.type.find("KSampler") != std::string::npos && seeds &&
           node.inputs->contains("steps");
  }

  static bool is_empty_picture(const Node& node) {
    return node.type.find("Empty") != std::string::npos && node.inputs->contains("width");
  }

  /// The one that begins with an empty picture; others work on with what it made.
  const Node* first_sampler() {
    const Node* first = nullptr;
    std::size_t count = 0;
    for (const auto& id : order_) {
      const auto& node = nodes_.at(id);
      if (!is_sampler(node)) continue;
      ++count;
      const auto* latents = linked(node, "latent_image");
      const bool begins = latents != nullptr && is_empty_picture(*latents);
      const auto* known = first == nullptr ? nullptr : linked(*first, "latent_image");
      const bool better = begins && (known == nullptr || !is_empty_picture(*known));
      if (first == nullptr || better) first = &node;
    }
    if (count > 1) {
      recipe_.notes.push_back(
          fmt::format("{} samplers stand in its workflow; the one that begins is taken", count));
    }
    return first;
  }

  /// The node that an input is linked to: ["4", 0].
  const Node* linked(const Node& node, const std::string& input) const {
    const auto link = node.inputs->find(input);
    if (link == node.inputs->end() || !link->is_array() || link->empty()) return nullptr;
    const auto& id = (*link)[0];
    const auto found = nodes_.find(id.is_string()   ? id.get<std::string>()
                                   : id.is_number() ? id.dump()
                                                    : "");
    return found == nodes_.end() ? nullptr : &found->second;
  }

  /// A value, also where it stands in a node of its own.
  std::optional<std::string> value(const Node& node, const std::string& input) const {
    const Node* at = &node;
    std::string name = input;
    for (int hop = 0; hop < kMostHops && at != nullptr; ++hop) {
      const auto found = at->inputs->find(name);
      if (found == at->inputs->end()) return std::nullopt;
      if (!found->is_array()) return setting_text(*found);
      at = linked(*at, name);
      name = at == nullptr ? "" : value_name(*at, input);
    }
    return std::nullopt;
  }

  static std::string value_name(const Node& node, const std::string& wanted) {
    for (const auto& name : {wanted, std::string("value"), std::string("text"), std::string("seed"),
                             std::string("string"), std::string("int"), std::string("float")}) {
      if (node.inputs->contains(name)) return name;
    }
    return "";
  }

  std::string prompt_at(const Node& sampler, const std::string& side) {
    const auto* node = linked(sampler, side);
    for (int hop = 0; hop < kMostHops && node != nullptr; ++hop) {
      if (node->type == "ConditioningZeroOut") return "";
      for (const char* name : {"text", "text_g", "text_l"}) {
        if (!node->inputs->contains(name)) continue;
        if (side == "positive") clip_skip_ = clip_skip_at(*node);
        const auto text = value(*node, name);
        if (!text && (*node->inputs)[name].is_array()) {
          recipe_.notes.push_back(
              fmt::format("its {} prompt comes out of nodes that make texts, "
                          "which are not read here",
                          side));
        }
        return text.value_or("");
      }
      recipe_.notes.push_back(fmt::format(
          "the {} prompt goes through {}, which is not carried over", side, node->type));
      node = first_linked(*node, {side, "conditioning", "conditioning_1", "conditioning_to"});
    }
    return "";
  }

  const Node* first_linked(const Node& node, const std::vector<std::string>& inputs) const {
    for (const auto& input : inputs) {
      if (const auto* found = linked(node, input)) return found;
    }
    return nullptr;
  }

  /// The layer from the end that CLIPSetLastLayer names: -1 is the last.
  std::optional<std::string> clip_skip_at(const Node& text) const {
    const auto* node = linked(text, "clip");
    for (int hop = 0; hop < kMostHops && node != nullptr; ++hop) {
      if (const auto layer = value(*node, "stop_at_clip_layer")) {
        const bool more = layer->starts_with('-') && *layer != "-1";
        return more ? std::optional(layer->substr(1)) : std::nullopt;
      }
      node = linked(*node, "clip");
    }
    return std::nullopt;
  }

  /// Where the latents come from: an empty picture tells the size. Whether they come from a
  /// picture.
  bool read_latents(const Node& sampler) {
    const auto* node = linked(sampler, "latent_image");
    for (int hop = 0; hop < kMostHops && node != nullptr; ++hop) {
      if (is_empty_picture(*node)) {
        const auto width = value(*node, "width"), height = value(*node, "height");
        if (width && height) size_ = *width + "x" + *height;
        return false;
      }
      if (node->type.find("VAEEncode") != std::string::npos) {
        const auto* image = first_linked(*node, {"pixels", "image"});
        const auto name = image == nullptr ? std::nullopt : value(*image, "image");
        if (name) recipe_.notes.push_back(fmt::format("it started from the picture {}", *name));
        return true;
      }
      node = first_linked(*node, {"samples", "latent", "latent_image"});
    }
    return false;
  }

  void read_model(const Node& sampler) {
    const auto* node = linked(sampler, "model");
    for (int hop = 0; hop < kMostHops && node != nullptr; ++hop) {
      if (const auto name = value(*node, "ckpt_name")) {
        return add_setting(recipe_.info, "Model", name);
      }
      const auto lora = value(*node, "lora_name");
      recipe_.notes.push_back(fmt::format("the model goes through {}{}, which is not carried over",
                                          node->type, lora ? fmt::format(" ({})", *lora) : ""));
      node = linked(*node, "model");
    }
  }

  /// ComfyUI runs all its steps within the part that is drawn anew; here they are cut to it.
  static std::optional<std::string> all_steps(const std::optional<std::string>& steps,
                                              const std::string& denoise) {
    const double part = std::strtod(denoise.c_str(), nullptr);
    const double run = steps ? std::strtod(steps->c_str(), nullptr) : 0;
    const double all = part > 0 && part < 1 ? std::ceil(run / part) : run;
    return all >= 1 && all <= 1000 ? std::optional(number_text(all)) : steps;
  }

  std::map<std::string, Node> nodes_;
  std::vector<std::string> order_;
  std::optional<std::string> size_, clip_skip_;
  ForeignRecipe recipe_;
};

}  // namespace

std::optional<ForeignRecipe> comfy_recipe(const PictureMetadata& metadata) {
  if (const auto* text = text_named(metadata, "prompt")) {
    const auto object = parse_object(*text);
    if (object && !ComfyGraph(*object).empty()) return ComfyGraph(*object).read();
  }
  if (const auto* text = text_named(metadata, "workflow")) {
    const auto object = parse_object(*text);
    if (!object || !object->contains("nodes")) return std::nullopt;
    const auto graph = graph_of_workflow(*object);
    return ComfyGraph(graph).read();
  }
  return std::nullopt;
}

}  // namespace sd
