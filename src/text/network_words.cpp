#include "sd/text/network_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd {
namespace {

constexpr std::size_t kAllBlocks = 26;
constexpr std::size_t kPublishedBlocks = 17;  // that a LoRA of attention layers has

/// Where those stand among all: BASE, IN01, IN02, IN04, IN05, IN07, IN08, M00, OUT03 to OUT11.
constexpr std::array<std::size_t, kPublishedBlocks> kPlaces = {0,  2,  3,  5,  6,  8,  9,  13, 17,
                                                               18, 19, 20, 21, 22, 23, 24, 25};

struct Preset {
  std::string_view name;
  std::array<double, kPublishedBlocks> weights;
};

constexpr std::array<Preset, 10> kPresets = {{
    {"NONE", {}},
    {"ALL", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"INS", {1, 1, 1, 1}},
    {"IND", {1, 0, 0, 0, 1, 1, 1}},
    {"INALL", {1, 1, 1, 1, 1, 1, 1}},
    {"MIDD", {1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"OUTD", {1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}},
    {"OUTS", {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1}},
    {"OUTALL", {1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"ALL0.5", {.5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5, .5}},
}};

const Preset* find_preset(std::string_view name) {
  const auto found =
      std::ranges::find_if(kPresets, [&](const Preset& preset) { return preset.name == name; });
  return found == kPresets.end() ? nullptr : &*found;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::vector<std::string_view> pieces_of(std::string_view text, char between) {
  std::vector<std::string_view> pieces;
  while (true) {
    const auto cut = text.find(between);
    pieces.push_back(text.substr(0, cut));
    if (cut == text.npos) return pieces;
    text.remove_prefix(cut + 1);
  }
}

/// Reads one text; errors repeat all of it.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  NetworkWords read() {
    auto pieces = pieces_of(text_, ':');
    // A path may have colons: what is nothing else belongs to the name.
    std::size_t names = pieces.size();
    while (names > 1 && is_setting(pieces[names - 1])) --names;
    const auto* end = pieces[names - 1].data() + pieces[names - 1].size();
    words_.name = std::string(text_.data(), end);
    if (words_.name.empty()) fail("names no LoRA");
    for (std::size_t i = names; i < pieces.size(); ++i) read_setting(pieces[i]);
    if (!unet_) words_.unet = words_.text_encoder;
    return words_;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw UsageError(fmt::format(
        "'{}' {}\nExpected NAME, NAME:WEIGHT or NAME:TEXT_ENCODER:UNET, then any of te=, unet=, "
        "lbw=, start=, stop= and step=A-B, such as ink:0.8:stop=15.",
        text_, why));
  }

  static bool is_setting(std::string_view piece) {
    if (number(piece) || find_preset(piece) != nullptr) return true;
    const auto equals = piece.find('=');
    return equals != piece.npos && equals > 0 && piece.find('/') == piece.npos;
  }

  double number_of(std::string_view key, std::string_view text) const {
    const auto value = number(text);
    if (!value) fail(fmt::format("has '{}' for {}, which is no number", text, key));
    return *value;
  }

  void read_setting(std::string_view piece) {
    const auto equals = piece.find('=');
    if (equals != piece.npos) return read_named(piece.substr(0, equals), piece.substr(equals + 1));
    if (const auto* preset = find_preset(piece)) return take(*preset);
    const double value = *number(piece);
    if (numbers_ == 0) {
      words_.text_encoder = value;
    } else if (numbers_ == 1) {
      take_unet(value);
    } else {
      fail(fmt::format("has a third number, {}, which would cut ranks; that is not done here",
                       piece));
    }
    ++numbers_;
  }

  void read_named(std::string_view key, std::string_view value) {
    if (key == "te") {
      words_.text_encoder = number_of(key, value);
    } else if (key == "unet") {
      take_unet(number_of(key, value));
    } else if (key == "lbw") {
      read_blocks(value);
    } else if (key == "start") {
      words_.steps.start = mark(key, value);
    } else if (key == "stop") {
      words_.steps.stop = mark(key, value);
    } else if (key == "step") {
      const auto ends = pieces_of(value, '-');
      if (ends.size() != 2) fail(fmt::format("has step={}, expected step=A-B", value));
      words_.steps.start = mark(key, ends[0]);
      words_.steps.stop = mark(key, ends[1]);
    } else {
      static const std::vector<std::string> kKeys = {"te", "unet", "lbw", "start", "stop", "step"};
      fail(fmt::format("has '{}', which is none of {}{}", key, fmt::join(kKeys, ", "),
                       did_you_mean(key, kKeys)));
    }
  }

  void take_unet(double value) {
    words_.unet = value;
    unet_ = true;
  }

  void take(const Preset& preset) {
    words_.blocks.assign(kAllBlocks, 0);
    for (std::size_t i = 0; i < kPublishedBlocks; ++i)
      words_.blocks[kPlaces[i]] = preset.weights[i];
  }

  StepMark mark(std::string_view key, std::string_view text) const {
    const double value = number_of(key, text);
    if (value < 0 || (value >= 1 && value != std::floor(value))) {
      fail(fmt::format("has {} for {}, expected a step, from 1, or a share of them below 1", text,
                       key));
    }
    return value;
  }

  void read_blocks(std::string_view text) {
    if (const auto* preset = find_preset(text)) return take(*preset);
    const auto pieces = pieces_of(text, ',');
    if (pieces.size() == 1 && !number(text)) {
      std::vector<std::string> names;
      for (const auto& preset : kPresets) names.emplace_back(preset.name);
      fail(fmt::format("has lbw={}, expected 17 or 26 numbers or one of {}{}", text,
                       fmt::join(names, ", "), did_you_mean(text, names)));
    }
    if (pieces.size() == 12 || pieces.size() == 20)
      fail(fmt::format("has {} weights of blocks, which are those of SDXL", pieces.size()));
    if (pieces.size() != kPublishedBlocks && pieces.size() != kAllBlocks)
      fail(fmt::format("has {} weights of blocks, expected 17 or 26", pieces.size()));
    std::vector<double> weights;
    for (const auto piece : pieces) {
      if (piece == "R" || piece == "U" || piece == "X")
        fail(fmt::format("has {} among the weights of blocks: random ones cannot be repeated",
                         piece));
      weights.push_back(number_of("lbw", piece));
    }
    if (weights.size() == kAllBlocks) {
      words_.blocks = std::move(weights);
      return;
    }
    words_.blocks.assign(kAllBlocks, 0);
    for (std::size_t i = 0; i < kPublishedBlocks; ++i) words_.blocks[kPlaces[i]] = weights[i];
  }

  std::string_view text_;
  NetworkWords words_;
  bool unet_ = false;
  int numbers_ = 0;
};

/// Whether step `step`, from 0, is not before the mark.
bool reaches(StepMark mark, int64_t step, int64_t num_steps) {
  if (mark < 1) return step >= static_cast<int64_t>(mark * static_cast<double>(num_steps));
  return static_cast<double>(step + 1) >= mark;
}

}  // namespace

bool NetworkSteps::contain(int64_t step, int64_t num_steps) const {
  if (start && !reaches(*start, step, num_steps)) return false;
  return !stop || !reaches(*stop, step, num_steps);
}

NetworkWords parse_network_words(std::string_view text) { return Reader(text).read(); }

}  // namespace sd
