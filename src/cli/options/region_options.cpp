#include "cli/options/region_options.h"

#include <fmt/format.h>

#include <string_view>

#include "cli/options/option_values.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr Range<double> kShareRange{0, 1};
constexpr Range<double> kConceptScaleRange{0, 100};

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts = {""};
  for (const char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// Whether it can only be meant as a box: numbers with commas between.
bool looks_like_box(std::string_view text) {
  return text.find(',') != text.npos && text.find_first_not_of("0123456789.,+-e ") == text.npos;
}

ShareBox parse_box(const std::string& option, const std::string& text) {
  const auto sides = split(text, ',');
  if (sides.size() != 4) {
    throw UsageError(fmt::format("{}: '{}' has {} numbers; a box has four, x0,y0,x1,y1", option,
                                 text, sides.size()));
  }
  const auto side = [&](std::size_t i) { return parse_real(option, sides[i], {-1e9, 1e9}); };
  const ShareBox box{side(0), side(1), side(2), side(3)};
  const bool inside = box.x0 >= 0 && box.x0 < box.x1 && box.x1 <= 1 && box.y0 >= 0 &&
                      box.y0 < box.y1 && box.y1 <= 1;
  if (inside) return box;
  throw UsageError(fmt::format(
      "{}: the box {} lies outside of the picture or is empty\nIts sides are shares of the "
      "picture's: 0 <= x0 < x1 <= 1 from the left, 0 <= y0 < y1 <= 1 from above.",
      option, text));
}

}  // namespace

RegionOption parse_region(const std::string& option, const std::string& text) {
  const auto colon = text.find(':');
  const auto where = text.substr(0, colon);
  const auto prompt = colon == text.npos ? std::string() : text.substr(colon + 1);
  if (where.empty() || prompt.find_first_not_of(' ') == prompt.npos) {
    throw UsageError(fmt::format(
        "{}: '{}' is not MASK:PROMPT or X0,Y0,X1,Y1:PROMPT\nExample: {} \"0,0,0.5,1:a cat\"",
        option, text, option));
  }
  if (looks_like_box(where)) return {parse_box(option, where), {}, prompt};
  return {std::nullopt, where, prompt};
}

ConceptEdit parse_concept_edit(const std::string& option, const std::string& text) {
  constexpr std::size_t kMostParts = 5;
  const auto parts = split(text, ':');
  ConceptEdit edit;
  const bool is_signed = text.starts_with('+') || text.starts_with('-');
  edit.concept_text = parts[0].substr(is_signed ? 1 : 0);
  if (edit.concept_text.find_first_not_of(' ') == std::string::npos || parts.size() > kMostParts) {
    throw UsageError(fmt::format(
        "{}: '{}' is not CONCEPT[:SCALE[:THRESHOLD[:START[:END]]]], with + (the default) "
        "or - before it\nExample: {} \"+sunglasses:5\"",
        option, text, option));
  }
  if (parts.size() > 1) edit.scale = parse_real(option, parts[1], kConceptScaleRange);
  if (text.starts_with('-')) edit.scale = -edit.scale;
  if (parts.size() > 2) edit.threshold = parse_real(option, parts[2], kShareRange);
  if (parts.size() > 3) edit.steps.begin = parse_real(option, parts[3], kShareRange);
  if (parts.size() > 4) edit.steps.end = parse_real(option, parts[4], kShareRange);
  if (edit.steps.begin < edit.steps.end) return edit;
  throw UsageError(fmt::format("{}: '{}' begins at {} of the steps and ends at {}: no step", option,
                               text, edit.steps.begin, edit.steps.end));
}

}  // namespace sd::cli
