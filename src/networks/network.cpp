#include "sd/networks/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "networks/adapter_metadata.h"
#include "networks/contents.h"
#include "networks/foreign_network.h"
#include "networks/network_file.h"
#include "networks/training_metadata.h"
#include "weights/open_file.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using Part = NetworkPart;

/// Whether a module is a change of a layer, and no scale that stands alone.
bool is_change(const NetworkModule& module) {
  for (std::size_t i = 0; i < module.keys.size(); ++i) {
    const auto part = static_cast<Part>(i);
    const bool number = part == Part::kAlpha || part == Part::kScale;
    if (!number && !module.keys[i].empty()) return true;
  }
  return false;
}

bool has_changes(const SortedKeys& keys, const std::vector<std::string>& names) {
  // A whole model whose LoRA stands beside it (peft) is none.
  const bool unmerged = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.find(".base_layer.") != name.npos;
  });
  return !unmerged && std::any_of(keys.modules.begin(), keys.modules.end(), is_change);
}

bool is_convolution(const MergeModule& module) {
  if (module.kind != NetworkKind::kLora) return false;
  const auto shape = module.reader.shape(Part::kDown);
  return module.reader.has(Part::kMid) ||
         (shape.size() > 2 && elements_of(shape) != shape[0] * shape[1]);
}

/// "LoRA", "LoCon with DoRA", "LoHa + norms".
std::string kind_text(const Network::Contents& contents) {
  std::set<NetworkKind> kinds;
  bool convolutions = false, decomposed = false;
  for (std::size_t i = 0; i < contents.kinds.size(); ++i) {
    const auto module = contents.module(i);
    kinds.insert(module.kind);
    convolutions = convolutions || is_convolution(module);
    decomposed = decomposed || is_decomposed(module.reader);
  }
  if (kinds.size() > 1) kinds.erase(NetworkKind::kNone);
  std::string text;
  for (const auto kind : kinds) {
    const bool locon = kind == NetworkKind::kLora && convolutions;
    text += fmt::format("{}{}", text.empty() ? "" : " + ", locon ? "LoCon" : name_of(kind));
  }
  return decomposed ? text + " with DoRA" : text;
}

void count_modules(Network::Contents& contents) {
  auto& info = contents.info;
  std::set<double> alphas;
  bool all_have_alpha = true;
  for (std::size_t i = 0; i < contents.kinds.size(); ++i) {
    const auto module = contents.module(i);
    ++info.modules;
    const std::string_view name = module.reader.module().name;
    const bool text = name.find("lora_te") != name.npos || name.find("text_") != name.npos ||
                      name.find("self_attn") != name.npos;
    ++(text ? info.text_encoder : info.unet);
    const int64_t rank = rank_of(module.reader, module.kind);
    if (rank == 0) continue;
    info.least_rank = info.least_rank == 0 ? rank : std::min(info.least_rank, rank);
    info.largest_rank = std::max(info.largest_rank, rank);
    auto alpha = module.reader.number(Part::kAlpha);
    if (!alpha) alpha = module.alpha.alpha;
    all_have_alpha = all_have_alpha && alpha.has_value();
    if (alpha) alphas.insert(*alpha);
  }
  if (all_have_alpha && alphas.size() == 1) info.alpha = *alphas.begin();
}

}  // namespace

std::string NetworkInfo::parts() const {
  if (text_encoder > 0) return unet > 0 ? "text encoder and UNet" : "text encoder";
  return "UNet";
}

std::string NetworkInfo::ranks() const {
  if (largest_rank == 0) return {};
  return least_rank == largest_rank ? fmt::format("rank {}", largest_rank)
                                    : fmt::format("rank {} to {}", least_rank, largest_rank);
}

Network::Network(std::unique_ptr<const Contents> contents) : contents_(std::move(contents)) {}
Network::~Network() = default;
const NetworkInfo& Network::info() const { return contents_->info; }
const std::string& Network::label() const { return contents_->tensors->label(); }

bool is_network(const fs::path& path) {
  const auto file = find_network_file(path);
  if (!file) return false;
  const auto opened = open_weight_file(*file);
  const auto& names = opened.tensors->names();
  return has_changes(sort_keys(names, opened.tensors->label()), names);
}

namespace {

std::unique_ptr<Network::Contents> read_contents(const fs::path& given) {
  const auto path = network_file(given);
  auto opened = open_weight_file(path);
  auto contents = std::make_unique<Network::Contents>();
  contents->tensors = std::move(opened.tensors);
  const auto& label = contents->tensors->label();
  contents->keys = sort_keys(contents->tensors->names(), label);
  if (!has_changes(contents->keys, contents->tensors->names())) refuse_other_file(path);
  auto& modules = contents->keys.modules;
  // Scales of layers that the file does not change.
  const auto lone = std::stable_partition(modules.begin(), modules.end(), is_change);
  for (auto module = lone; module != modules.end(); ++module) {
    for (const auto part : {Part::kAlpha, Part::kScale})
      if (module->has(part)) contents->keys.unknown.push_back(module->key(part));
  }
  modules.erase(lone, modules.end());
  std::optional<fs::path> config;
  if (path.filename().string().starts_with("adapter_model"))
    config = path.parent_path() / "adapter_config.json";
  const AdapterAlphas alphas(opened.metadata, config, label);
  auto& info = contents->info;
  info.format = std::move(opened.format);
  info.metadata = std::move(opened.metadata);
  for (const auto& module : modules) {
    contents->kinds.push_back(kind_of(ModuleReader(*contents->tensors, module)));
    contents->alphas.push_back(alphas.of(module.name));
  }
  count_modules(*contents);
  info.kind = kind_text(*contents);
  read_training(info.metadata, info);
  info.family = family_of(*contents);
  return contents;
}

}  // namespace

NetworkInfo describe_network(const fs::path& path) { return read_contents(path)->info; }

std::shared_ptr<const Network> open_network(const fs::path& path) {
  auto contents = read_contents(path);
  refuse_other_families(*contents);
  return std::make_shared<const Network>(std::move(contents));
}

}  // namespace sd
