#include "networks/adapter_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "weights/byte_reader.h"

namespace sd {
namespace {

constexpr std::size_t kMostText = std::size_t{4} << 20;  // 16 times as much in memory
constexpr int kMostDepth = 16;

double number_of(const nlohmann::json& value, std::string_view key, const std::string& what) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    throw CheckpointError(fmt::format(
        "{}: '{}' is {}, expected a finite number", what, key,
        value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 80)));
  }
  return value.get<double>();
}

/// A pattern as the name that it stands for. PEFT takes regular expressions; those that its users
/// write are names.
std::string name_of_pattern(std::string_view pattern, const std::string& what) {
  std::string name;
  const auto given = pattern;
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  if (pattern.ends_with('$')) pattern.remove_suffix(1);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.substr(i).starts_with("\\.")) continue;
    constexpr std::string_view kSpecial = "\\*+?()[]{}|^$";
    if (kSpecial.find(pattern[i]) != kSpecial.npos) {
      throw CheckpointError(
          fmt::format("{}: the alpha of '{}' is given by a regular expression, expected a layer's "
                      "name\n    Save the file with the alphas among its tensors (kohya's format).",
                      what, given.substr(0, 80)));
    }
    name += pattern[i];
  }
  return name;
}

}  // namespace

AdapterAlphas::AdapterAlphas(const std::vector<std::pair<std::string, std::string>>& metadata,
                             const std::optional<std::filesystem::path>& config,
                             const std::string& label) {
  for (const auto& [key, value] : metadata) {
    if (key == "lora_adapter_metadata") read(value, label + ": lora_adapter_metadata");
  }
  if (!config || !is_present(*config)) return;
  const auto file = MappedFile::open(*config);
  read(as_text(file->bytes()), config->string());
}

void AdapterAlphas::read(std::string_view text, const std::string& what) {
  if (text.size() > kMostText)
    throw CheckpointError(
        fmt::format("{}: {} bytes; at most {} are read", what, text.size(), kMostText));
  const auto shallow = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kMostDepth)
      throw CheckpointError(fmt::format("{}: nested more than {} deep", what, kMostDepth));
    return true;
  };
  const auto json = nlohmann::json::parse(text, shallow, /*allow_exceptions=*/false);
  if (!json.is_object()) throw CheckpointError(fmt::format("{}: not a JSON object", what));
  for (const auto& [key, value] : json.items()) {
    if (value.is_null()) continue;
    const auto dot = key.rfind('.');
    const auto name = dot == key.npos ? key : key.substr(dot + 1);
    auto& section = sections_[dot == key.npos ? "" : key.substr(0, dot)];
    if (name == "lora_alpha" || name == "alpha") {
      section.alpha = number_of(value, key, what);
    } else if (name == "use_rslora") {
      section.root_of_rank = value.is_boolean() && value.get<bool>();
    } else if (name == "alpha_pattern" && value.is_object()) {
      for (const auto& [pattern, alpha] : value.items()) {
        const Pattern found{section.patterns.size(), number_of(alpha, pattern, what)};
        section.patterns.emplace(name_of_pattern(pattern, what), found);
      }
    }
  }
}

DefaultAlpha AdapterAlphas::of(std::string_view module) const {
  constexpr int kMostNames = 64;
  const auto first = module.substr(0, module.find('.'));
  auto section = sections_.find(first);
  if (section == sections_.end()) section = sections_.find("");
  if (section == sections_.end()) return {};
  const auto& [alpha, root_of_rank, patterns] = section->second;
  DefaultAlpha found{alpha, root_of_rank};
  std::size_t best = patterns.size();
  auto rest = module;
  for (int i = 0; i < kMostNames && !patterns.empty(); ++i) {
    const auto pattern = patterns.find(std::string(rest));
    if (pattern != patterns.end() && pattern->second.order < best) {
      best = pattern->second.order;
      found.alpha = pattern->second.alpha;
    }
    const auto dot = rest.find('.');
    if (dot == rest.npos) break;
    rest.remove_prefix(dot + 1);
  }
  return found;
}

}  // namespace sd
