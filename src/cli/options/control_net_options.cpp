#include "cli/options/control_net_options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string_view>
#include <type_traits>
#include <utility>

#include "cli/options/option_values.h"
#include "cli/options/preprocess_limits.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr Range<double> kWeightRange{-10.0, 10.0};
constexpr Range<double> kShareRange{0.0, 1.0};
constexpr const char* kForm = "NET:PICTURE[:WEIGHT[:START:END]]";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// Whether a text is meant as a number: "1e", "0.5" and "nan" are.
bool looks_like_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

[[noreturn]] void reject(const std::string& option, const std::string& text, std::string_view why) {
  throw UsageError(fmt::format("{} {}: {}, expected {}", option, text, why, kForm));
}

void check_share(const std::string& option, const std::string& text, const ControlInput& input) {
  if (input.start < input.end) return;
  reject(option, text, fmt::format("steps from {} to {} are none", input.start, input.end));
}

/// Puts what stands behind a preprocessor's name where it belongs.
void read_numbers(ControlPreprocess& chosen, const std::string& option,
                  const std::vector<std::string>& parts) {
  auto& settings = chosen.settings;
  std::size_t taken = 1;
  const auto real = [&](double& field, Range<double> range) {
    if (taken < parts.size()) field = parse_real(option, parts[taken++], range);
  };
  const auto whole = [&](auto& field, Range<int64_t> range) {
    if (taken >= parts.size()) return;
    field = static_cast<std::remove_reference_t<decltype(field)>>(
        parse_whole(option, parts[taken++], range));
  };
  switch (chosen.preprocessor) {
    case Preprocessor::kCanny:
      whole(settings.low, kCannyRange);
      whole(settings.high, kCannyRange);
      break;
    case Preprocessor::kThreshold:
      whole(settings.threshold, kByteRange);
      break;
    case Preprocessor::kTile:
      real(settings.rate, kRateRange);
      break;
    case Preprocessor::kBlur:
      real(settings.sigma, kSigmaRange);
      break;
    case Preprocessor::kScribble:
      whole(settings.lines, kByteRange);
      break;
    case Preprocessor::kShuffle:
      whole(settings.seed, kShuffleSeedRange);
      whole(settings.cell, kCellRange);
      break;
    case Preprocessor::kNone:
    case Preprocessor::kInvert:
      break;
  }
  if (taken == parts.size()) return;
  throw UsageError(fmt::format("{} {}: {} takes {} of the numbers behind it", option, chosen.text,
                               parts.front(), taken - 1));
}

}  // namespace

ControlInput parse_control(const std::string& option, const std::string& text) {
  auto parts = split(text);
  std::vector<std::string> numbers;
  while (parts.size() > 2 && numbers.size() < 3 && looks_like_number(parts.back())) {
    numbers.insert(numbers.begin(), std::move(parts.back()));
    parts.pop_back();
  }
  if (parts.size() < 2 || parts.front().empty()) reject(option, text, "names no net and picture");
  ControlInput input;
  input.net = parts.front();
  std::string picture = parts[1];
  for (std::size_t i = 2; i < parts.size(); ++i) picture += ":" + parts[i];
  if (picture.empty()) reject(option, text, "names no picture");
  input.picture = picture;
  if (numbers.size() == 2) reject(option, text, "a start of its steps without an end");
  if (!numbers.empty()) input.weight = parse_real(option + " weight", numbers[0], kWeightRange);
  if (numbers.size() == 3) {
    input.start = parse_real(option + " start", numbers[1], kShareRange);
    input.end = parse_real(option + " end", numbers[2], kShareRange);
    check_share(option, text, input);
  }
  return input;
}

ControlPreprocess parse_control_preprocess(const std::string& option, const std::string& text) {
  const auto parts = split(text);
  ControlPreprocess chosen{.preprocessor = Preprocessor::kNone, .settings = {}, .text = text};
  std::vector<std::string> known;
  const PreprocessorInfo* found = nullptr;
  for (const auto& info : all_preprocessors()) {
    known.emplace_back(info.name);
    if (info.name == parts.front()) found = &info;
  }
  if (found == nullptr) reject_word(option, parts.front(), known);
  chosen.preprocessor = found->preprocessor;
  read_numbers(chosen, option, parts);
  return chosen;
}

std::string name_of(ControlResize resize) {
  constexpr std::array<const char*, 3> kNames = {"crop", "fill", "stretch"};
  return kNames.at(static_cast<std::size_t>(resize));
}

std::string control_name(const std::filesystem::path& net) {
  return net.has_filename() ? net.stem().string() : net.parent_path().filename().string();
}

std::string control_infotext(const ControlNetOptions& options, std::size_t i) {
  constexpr std::array<const char*, 3> kModes = {"Balanced", "My prompt is more important",
                                                 "ControlNet is more important"};
  constexpr std::array<const char*, 3> kResizes = {"Crop and Resize", "Resize and Fill",
                                                   "Just Resize"};
  const auto& input = options.inputs.at(i);
  const auto preprocess = options.preprocess_of(i).preprocessor;
  return fmt::format(
      "preprocessor: {}, model: {}{}, weight: {}, starting/ending: ({}, {}), resize mode: {}, "
      "pixel perfect: {}, control mode: {}",
      info_of(preprocess).label, control_name(input.net),
      input.hash.empty() ? "" : fmt::format(" [{}]", input.hash), number_text(input.weight),
      number_text(input.start), number_text(input.end),
      kResizes.at(static_cast<std::size_t>(options.resize_of(i))),
      preprocess == Preprocessor::kNone ? "False" : "True",
      kModes.at(static_cast<std::size_t>(options.mode_of(i))));
}

}  // namespace sd::cli
