#include "weights/wrapped_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weights/diffusers_names.h"
#include "weights/renamed_source.h"

namespace sd {
namespace {

using Names = std::vector<std::string>;

// What data-parallel training, torch.compile, FSDP and Lightning put around a module.
constexpr std::array<std::string_view, 5> kWrappers = {
    "module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"};

// The parts of a whole model in CompVis layout. Some write the UNet's without "model.".
constexpr std::string_view kUNet = "diffusion_model.";
constexpr std::string_view kModel = "model.";
constexpr std::array<std::string_view, 4> kWhole = {kUNet, "first_stage_model.",
                                                    "cond_stage_model.", "model_ema."};

enum Part { kUNetPart, kVaePart, kTextPart, kParts };

struct PartRoot {
  Part part;
  std::string_view start;
};

// How the names of a part alone begin, in CompVis', diffusers' and OpenCLIP's layout.
constexpr std::array kPartRoots = {
    PartRoot{kUNetPart, "input_blocks."},   PartRoot{kUNetPart, "middle_block."},
    PartRoot{kUNetPart, "output_blocks."},  PartRoot{kUNetPart, "time_embed."},
    PartRoot{kUNetPart, "down_blocks."},    PartRoot{kUNetPart, "mid_block."},
    PartRoot{kUNetPart, "up_blocks."},      PartRoot{kUNetPart, "time_embedding."},
    PartRoot{kVaePart, "encoder.down"},     PartRoot{kVaePart, "decoder.up"},
    PartRoot{kVaePart, "encoder.conv_"},    PartRoot{kVaePart, "decoder.conv_"},
    PartRoot{kVaePart, "encoder.mid"},      PartRoot{kVaePart, "decoder.mid"},
    PartRoot{kVaePart, "quant_conv."},      PartRoot{kVaePart, "post_quant_conv."},
    PartRoot{kTextPart, "text_model."},     PartRoot{kTextPart, "embeddings."},
    PartRoot{kTextPart, "encoder.layers."}, PartRoot{kTextPart, "final_layer_norm."},
};

// What may stand before them: other prefixes make another thing of them (a ControlNet, a LoRA).
constexpr std::array<std::string_view, 22> kHolders = {
    "state_dict",   "model",   "ema",    "model_ema", "ema_model",   "params", "params_ema",  "net",
    "network",      "weights", "unet",   "unet_ema",  "ema_unet",    "vae",    "autoencoder", "ae",
    "text_encoder", "clip",    "clip_l", "text",      "transformer", "pipe"};

/// Where `start` stands in `name`, at its beginning or behind a dot.
std::optional<std::size_t> find_start(std::string_view name, std::string_view start) {
  for (auto at = name.find(start); at != name.npos; at = name.find(start, at + 1)) {
    if (at == 0 || name[at - 1] == '.') return at;
  }
  return std::nullopt;
}

/// What stands before the first of a whole model's parts.
std::optional<std::string_view> before_whole(std::string_view name) {
  std::optional<std::size_t> first;
  for (const auto root : kWhole) {
    auto at = find_start(name, root);
    if (!at) continue;
    const auto before = name.substr(0, *at);
    const bool has_model =
        root == kUNet && before.ends_with(kModel) &&
        (before.size() == kModel.size() || before[before.size() - kModel.size() - 1] == '.');
    if (has_model) *at -= kModel.size();
    if (!first || *at < *first) first = *at;
  }
  return first ? std::optional(name.substr(0, *first)) : std::nullopt;
}

bool all_components(std::string_view path, const auto& allowed) {
  while (!path.empty()) {
    const auto dot = path.find('.');
    if (std::ranges::find(allowed, path.substr(0, dot)) == allowed.end()) return false;
    path.remove_prefix(dot + 1);
  }
  return true;
}

/// What stands before a part's own name, and which part that is.
std::optional<std::pair<Part, std::string_view>> before_part(std::string_view name) {
  for (const auto& [part, start] : kPartRoots) {
    const auto at = find_start(name, start);
    if (at && all_components(name.substr(0, *at), kHolders))
      return std::pair(part, name.substr(0, *at));
  }
  return std::nullopt;
}

/// `name` without the components that wrappers add.
std::string without_wrappers(std::string_view name) {
  std::string kept;
  while (true) {
    const auto dot = name.find('.');
    if (dot == name.npos) return kept.append(name);
    if (std::ranges::find(kWrappers, name.substr(0, dot)) == kWrappers.end())
      kept.append(name.substr(0, dot + 1));
    name.remove_prefix(dot + 1);
  }
}

bool has_wrappers(std::string_view name) {
  return std::ranges::any_of(kWrappers, [&](std::string_view wrapper) {
    const auto at = find_start(name, wrapper);
    return at && *at + wrapper.size() < name.size() && name[*at + wrapper.size()] == '.';
  });
}

/// What is known of all the names that begin with the same prefix.
struct Group {
  bool has_unet = false;
  std::size_t count = 0;
};

/// The prefix that the model stands behind: with a UNet rather than without, plain rather than
/// averaged, of more tensors rather than of fewer.
std::string best_prefix(const std::map<std::string, Group, std::less<>>& groups) {
  const auto rank = [](const auto& entry) {
    return std::tuple(entry.second.has_unet, !is_averaged(entry.first), entry.second.count);
  };
  return std::ranges::max_element(groups, {}, rank)->first;
}

/// Names of a whole model without what stands before them; empty if there are none.
Names unwrap_whole(const Names& names) {
  std::map<std::string, Group, std::less<>> groups;
  for (const auto& name : names) {
    const auto before = before_whole(name);
    if (!before) continue;
    auto found = groups.find(*before);
    if (found == groups.end()) found = groups.emplace(*before, Group()).first;
    ++found->second.count;
    found->second.has_unet |=
        find_start(std::string_view(name).substr(before->size()), kUNet).value_or(name.npos) <=
        kModel.size();
  }
  if (groups.empty()) return {};
  const auto prefix = best_prefix(groups);
  Names unwrapped;
  unwrapped.reserve(names.size());
  for (const auto& name : names) {
    // Schedules (`ema.betas`) have no root of a part, but stand behind the same prefix.
    const bool belongs = before_whole(name) == prefix || !prefix.empty();
    if (!belongs || !name.starts_with(prefix)) {
      unwrapped.push_back(name);
      continue;
    }
    auto rest = name.substr(prefix.size());
    if (rest.starts_with(kUNet)) rest.insert(0, kModel);
    unwrapped.push_back(std::move(rest));
  }
  return unwrapped;
}

/// The names of parts, each without what stands before it.
struct PartNames {
  std::array<std::map<std::string, Group, std::less<>>, kParts> groups;
  std::array<std::string, kParts> prefix;

  bool has(Part part) const { return !groups[part].empty(); }
};

PartNames parts_of(const Names& names) {
  PartNames parts;
  for (const auto& name : names) {
    const auto found = before_part(name);
    if (found) ++parts.groups[found->first][std::string(found->second)].count;
  }
  for (const auto part : {kUNetPart, kVaePart, kTextPart})
    if (parts.has(part)) parts.prefix[part] = best_prefix(parts.groups[part]);
  return parts;
}

/// Keys of one part, for the tables that tell levels and blocks from them.
Names keys_behind(const Names& names, const std::string& prefix) {
  Names keys;
  for (const auto& name : names)
    if (name.starts_with(prefix)) keys.push_back(name.substr(prefix.size()));
  return keys;
}

/// Names of a whole model whose parts have prefixes of their own: `unet.`, `vae.`, `text_encoder.`.
Names unwrap_parts(const Names& names, const PartNames& parts) {
  const DiffusersNames diffusers(keys_behind(names, parts.prefix[kUNetPart]),
                                 keys_behind(names, parts.prefix[kVaePart]));
  Names unwrapped;
  unwrapped.reserve(names.size());
  for (const auto& name : names) {
    const auto starts = [&](Part part) {
      return parts.has(part) && name.starts_with(parts.prefix[part]);
    };
    const auto key = [&](Part part) { return name.substr(parts.prefix[part].size()); };
    if (starts(kUNetPart)) {
      unwrapped.push_back(diffusers.unet(key(kUNetPart)).name);
    } else if (starts(kVaePart)) {
      unwrapped.push_back(diffusers.vae(key(kVaePart)).name);
    } else if (starts(kTextPart)) {
      unwrapped.push_back(compvis_text_name(key(kTextPart)));
    } else {
      unwrapped.push_back(name);
    }
  }
  return unwrapped;
}

/// Names of parts: one alone loses what stands before it, several become a whole model.
Names unwrap(const Names& names) {
  if (auto whole = unwrap_whole(names); !whole.empty()) return whole;
  const auto parts = parts_of(names);
  const auto& prefix = parts.prefix;
  const auto distinct = [&](Part a, Part b) {
    return parts.has(a) && parts.has(b) && !prefix[a].empty() && !prefix[b].empty() &&
           prefix[a] != prefix[b];
  };
  if (distinct(kUNetPart, kVaePart) && distinct(kUNetPart, kTextPart) &&
      distinct(kVaePart, kTextPart)) {
    return unwrap_parts(names, parts);
  }
  const auto alone = std::ranges::count_if(std::array{kUNetPart, kVaePart, kTextPart},
                                           [&](Part part) { return parts.has(part); });
  if (alone != 1) return names;
  const auto& before = *std::ranges::max_element(prefix, {}, &std::string::size);
  Names unwrapped;
  unwrapped.reserve(names.size());
  for (const auto& name : names)
    unwrapped.push_back(name.starts_with(before) ? name.substr(before.size()) : name);
  return unwrapped;
}

}  // namespace

NamedAs named_as(std::string_view name) {
  if (before_whole(name)) return NamedAs::kWholeModel;
  return before_part(name) ? NamedAs::kPart : NamedAs::kNothing;
}

bool is_averaged(std::string_view path) {
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto component = path.substr(0, dot);
    if (component == "ema" || component.starts_with("ema_") || component.ends_with("_ema"))
      return true;
    if (dot == path.npos) return false;
    path.remove_prefix(dot + 1);
  }
  return false;
}

std::unique_ptr<TensorSource> with_unwrapped_names(std::unique_ptr<TensorSource> tensors) {
  const auto& names = tensors->names();
  Names plain;
  if (std::ranges::any_of(names, has_wrappers)) {
    plain.reserve(names.size());
    for (const auto& name : names) plain.push_back(without_wrappers(name));
  }
  auto unwrapped = unwrap(plain.empty() ? names : plain);
  if (unwrapped == names) return tensors;
  std::vector<RenamedTensor> renamed;
  renamed.reserve(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    // What has a plain name already keeps it.
    const bool taken = unwrapped[i] != names[i] && tensors->contains(unwrapped[i]);
    renamed.push_back({taken ? names[i] : std::move(unwrapped[i]), 0, names[i]});
  }
  return rename_tensors(std::move(tensors), std::move(renamed));
}

}  // namespace sd
