#include "cli/plan/inversion_additions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "sd/core/error.h"
#include "sd/core/ip_adapter_info.h"
#include "sd/core/model_hash.h"
#include "sd/core/sha256.h"
#include "sd/image/infotext.h"
#include "sd/networks/network.h"
#include "sd/weights/control_file.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShortHash = 12;

/// Whether two lists have the same, in any order: what they add is summed.
template <typename Addition>
bool are_same(const std::vector<Addition>& some, std::vector<Addition> others) {
  for (const auto& one : some) {
    const auto same =
        std::ranges::find_if(others, [&](const Addition& other) { return one.is_same(other); });
    if (same == others.end()) return false;
    others.erase(same);
  }
  return others.empty();
}

std::string text_of(const std::vector<InversionNetwork>& networks) {
  std::vector<std::string> names;
  for (const auto& [name, weights, hash] : networks)
    names.push_back(fmt::format("{} ({}, {})", name, weights, hash.substr(0, kShortHash)));
  return names.empty() ? "no LoRA" : fmt::format("{}", fmt::join(names, ", "));
}

std::string text_of(const std::vector<InversionAddition>& additions) {
  std::vector<std::string> names;
  for (const auto& [name, settings, hash, picture] : additions) {
    names.push_back(fmt::format("{} ({}, {}, picture {})", name, settings,
                                hash.substr(0, kShortHash), picture.substr(0, kShortHash)));
  }
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

/// A path is that of the model with the LoRAs that it was made with.
void check_networks(const RunNetworks& networks, const InversionFile* file,
                    InversionMethod method) {
  if (!networks.sets.empty()) {
    throw UsageError(
        fmt::format("--lora: one of some prompts or steps does not go with inversion by {}: the "
                    "source would not become the picture\nGive it to all of them, or take "
                    "--invert direct.",
                    name_of(method)));
  }
  if (file == nullptr) return;  // inverted with what it is drawn with
  const auto here = kept_networks(networks);
  if (are_same(here, file->networks)) return;
  throw UsageError(
      fmt::format("--lora: the picture was inverted with {}, and this run has {}: by {} the source "
                  "would not become the picture\nGive the same LoRAs, take --invert direct, or "
                  "invert the picture again.",
                  text_of(file->networks), text_of(here), name_of(method)));
}

void check_same(std::string_view option, const std::vector<InversionAddition>& kept,
                const std::vector<InversionAddition>& here, InversionMethod method) {
  if (are_same(here, kept)) return;
  throw UsageError(
      fmt::format("--{0}: the picture was inverted with {1}, and this run has {2}: by {3} the "
                  "source would not become the picture\nGive the same, take --invert direct, or "
                  "invert the picture without --{0}: then it acts in targets alone.",
                  option, text_of(kept), text_of(here), name_of(method)));
}

}  // namespace

std::vector<InversionNetwork> kept_networks(const RunNetworks& networks) {
  std::vector<InversionNetwork> kept;
  for (const auto number : networks.merged) {
    const auto& network = networks.all[number];
    const auto& [file, text_encoder, unet, blocks] = network.applied;
    auto weights = fmt::format("te={} unet={}", number_text(text_encoder), number_text(unet));
    if (!blocks.empty()) weights += fmt::format(" lbw={}", fmt::join(blocks, ","));
    kept.push_back({network.name, std::move(weights), network_hash(network.path)});
  }
  return kept;
}

std::vector<InversionAddition> kept_controls(const DrawOptions& options) {
  const auto& nets = options.nets;
  std::vector<InversionAddition> kept;
  for (std::size_t i = 0; i < nets.inputs.size(); ++i) {
    const auto& [path, picture, weight, start, end, hash] = nets.inputs[i];
    const auto net = open_control(path);
    auto settings =
        fmt::format("weight={} steps={}:{} mode={} resize={} preprocess={}", number_text(weight),
                    number_text(start), number_text(end), name_of(nets.mode_of(i)),
                    name_of(nets.resize_of(i)), nets.preprocess_of(i).text);
    // Where a mask hides pixels from it, it is shown another picture.
    if (net.inpaints && options.input.masks()) settings += " masked";
    kept.push_back({control_name(path), std::move(settings), model_sha256(net.main_file),
                    sha256_file(picture)});
  }
  return kept;
}

std::vector<InversionAddition> kept_image_prompts(const DrawOptions& options) {
  const auto& weights =
      ip_weights_names().at(static_cast<std::size_t>(options.image_prompts.weights));
  std::vector<InversionAddition> kept;
  for (const auto& [adapter, picture, weight, steps] : options.image_prompts.adapters) {
    kept.push_back({adapter.stem().string(),
                    fmt::format("weight={} steps={}:{} weights={}", number_text(weight),
                                number_text(steps.begin), number_text(steps.end), weights),
                    model_sha256(adapter), sha256_file(picture)});
  }
  return kept;
}

void check_additions(const DrawOptions& options, const RunNetworks& networks,
                     const InversionFile* file, InversionMethod method) {
  check_networks(networks, file, method);
  if (file == nullptr) return;  // inverted without nets and pictures
  if (!file->controls.empty())
    check_same("control", file->controls, kept_controls(options), method);
  if (!file->image_prompts.empty())
    check_same("ip-adapter", file->image_prompts, kept_image_prompts(options), method);
}

}  // namespace sd::cli
