#include "sd/core/layer_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr int64_t kMostBlocks = 256;

struct Start {
  std::string_view text;
  LayerName::Part part;
  bool compvis;
};

constexpr Start kStarts[] = {
    {"input_blocks", LayerName::Part::kDown, true}, {"output_blocks", LayerName::Part::kUp, true},
    {"down_blocks", LayerName::Part::kDown, false}, {"up_blocks", LayerName::Part::kUp, false},
    {"down", LayerName::Part::kDown, false},        {"up", LayerName::Part::kUp, false}};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// "1", ".1" or " 1" behind a name.
std::optional<int64_t> number_of(std::string_view text) {
  if (!text.empty() && (text.front() == '.' || text.front() == ' ')) text.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || number < 0 || number >= kMostBlocks) return std::nullopt;
  return number;
}

std::optional<LayerName> parse_one(std::string_view name) {
  if (name == "mid" || name == "middle" || name == "mid_block" || name == "middle_block") {
    return LayerName{};
  }
  for (const auto& start : kStarts) {
    if (!name.starts_with(start.text)) continue;
    const auto rest = name.substr(start.text.size());
    if (rest.empty() && !start.compvis) return LayerName{start.part, {}, {}};
    const auto number = number_of(rest);
    if (!number) return std::nullopt;
    return start.compvis ? LayerName{start.part, {}, number} : LayerName{start.part, number, {}};
  }
  return std::nullopt;
}

}  // namespace

std::vector<LayerName> parse_layer_names(std::string_view option, std::string_view text) {
  std::vector<LayerName> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto comma = std::min(text.find(',', begin), text.size());
    const auto word = trimmed(text.substr(begin, comma - begin));
    const auto name = parse_one(word);
    if (!name) {
      throw UsageError(
          fmt::format("{}: '{}' is no layer's name\nGive mid, down or up, down.N or up.N with "
                      "diffusers' number "
                      "of a block, input_blocks.N or output_blocks.N, with commas between.",
                      option, word));
    }
    names.push_back(*name);
    begin = comma + 1;
  }
  return names;
}

}  // namespace sd
