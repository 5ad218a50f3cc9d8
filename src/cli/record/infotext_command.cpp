#include "cli/record/infotext_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"
#include "sd/core/error.h"
#include "sd/core/sampler_table.h"
#include "sd/image/infotext.h"

namespace sd::cli {
namespace {

template <typename Number>
std::optional<Number> parse(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(number) : std::nullopt;
}

/// "30" of "30.0": programs that keep every number as a fraction.
std::string without_point(const std::string& text) {
  const auto point = text.find('.');
  const bool whole = point != std::string::npos && parse<int64_t>(text.substr(0, point)) &&
                     point + 1 < text.size() &&
                     text.find_first_not_of('0', point + 1) == std::string::npos;
  return whole ? text.substr(0, point) : text;
}

/// What the web UI and its kin write only of a picture that started from another.
constexpr std::array<std::string_view, 8> kOfInputPictures = {
    "Init image size", "Init image hash", "Mask blur",    "Inpaint area",
    "Masked content",  "Mask mode",       "Inpaint mode", "Masked area padding"};

/// Takes settings one after the other; those that nobody took are named at the end.
class Guess {
 public:
  explicit Guess(Infotext info) : info_(std::move(info)) {
    const auto version = take("Version");
    ours_ = version && version->starts_with("sd ");
  }
  Guess(const ForeignRecipe& recipe, Size size)
      : info_(recipe.info), program_(recipe.program), picture_size_(size) {
    for (const auto& text : recipe.notes) note(text);
  }

  GuessedCommand make() {
    const auto source = ours_ ? take("Source prompt") : std::nullopt;
    const auto strength = take_strength();
    command_.name = source ? "swap" : strength ? "img2img" : "txt2img";
    if (source) add("sprompt", *source);
    add("prompt", info_.prompt);
    if (!info_.negative_prompt.empty()) add("negative-prompt", info_.negative_prompt);
    add_syntax();
    add_as_it_is("Clip skip");
    add_as_it_is("Steps");
    add_sampler();
    add_as_it_is("CFG scale");
    add_seed();
    add_variation();
    add_size();
    add_batch();
    add_noise();
    add_noise_schedule();
    if (strength) add_strength(*strength);
    if (strength) add_as_it_is("Image CFG scale");
    add_loras();
    add_others(strength.has_value());
    note_model();
    note_rest();
    return {std::move(command_), std::move(notes_)};
  }

 private:
  std::optional<std::string> take(const std::string& key) {
    taken_.insert(key);
    for (const auto& [name, value] : info_.settings) {
      if (name == key) return value;
    }
    return std::nullopt;
  }
  void add(const std::string& name, std::string value) {
    command_.options.push_back({name, std::move(value)});
  }
  void note(std::string text) { notes_.push_back(std::move(text)); }
  void refuse(const std::string& key, const std::string& value) {
    note(fmt::format("{}: {} cannot be used here", key, value));
  }

  /// An option that is given what the infotext says, if its own parser takes that.
  void add_as_it_is(const OptionRow& row) {
    const auto value = take(std::string(row.infotext.key));
    if (!value) return;
    const auto text = without_point(*value);
    const std::string name(row.infotext.read_back);
    try {
      DrawOptions ignored;
      row.value.read(ignored, name, text);
    } catch (const UsageError&) {
      return refuse(std::string(row.infotext.key), *value);
    }
    add(name, text);
  }
  void add_as_it_is(std::string_view key) {
    for (const auto& row : option_rows()) {
      if (row.infotext.key == key && !row.infotext.read_back.empty()) return add_as_it_is(row);
    }
  }
  /// Ours; other programs have them in the prompt.
  void add_loras() {
    take("Lora hashes");
    for (const auto& [key, option] : {std::pair{"Lora", "lora"}, {"Target lora", "target-lora"}}) {
      auto rest = ours_ ? take(key).value_or("") : "";
      while (!rest.empty()) {
        const auto end = std::min(rest.find(", "), rest.size());
        add(option, rest.substr(0, end));
        rest.erase(0, end + 2);
      }
    }
  }

  /// Those that no method here is for. What only a picture that starts from another has is noted
  /// for others.
  void add_others(bool starts_from_picture) {
    for (const auto& row : option_rows()) {
      const std::string key(row.infotext.key);
      const bool fits = starts_from_picture || (row.commands & kTxt2ImgCommand) != 0;
      if (fits && !row.infotext.read_back.empty() && !taken_.contains(key) &&
          !unused_.contains(key)) {
        add_as_it_is(row);
      }
    }
  }

  void add_seed() {
    const auto value = take("Seed");
    if (!value) return;
    const auto text = without_point(*value);
    if (!parse<uint64_t>(text)) return refuse("Seed", *value);
    add("seed", text);
  }

  /// The strength of a picture that started from another. One that was drawn from noise has one too
  /// where a second pass enlarged it, which is said and not taken.
  std::optional<std::string> take_strength() {
    const auto strength = take("Denoising strength");
    std::string second;
    bool pictured = false;
    for (const auto& [key, value] : info_.settings) {
      pictured |= std::ranges::find(kOfInputPictures, key) != kOfInputPictures.end();
      if (!is_of_second_pass(key)) continue;
      taken_.insert(key);
      second += fmt::format("{}{}: {}", second.empty() ? "" : ", ", key, value);
    }
    if (second.empty() || !program_.empty()) return strength;
    if (strength && !pictured) second += ", Denoising strength: " + *strength;
    note(fmt::format("not used: {}: the second pass that enlarged the picture is not carried over",
                     second));
    return pictured ? strength : std::nullopt;
  }

  static bool is_of_second_pass(std::string key) {
    for (auto& c : key) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return key.starts_with("hires") || key == "first pass size";
  }

  /// How brackets are to be read: most programs write weights as the web UI does.
  void add_syntax() {
    if (ours_) return;
    constexpr std::array<std::string_view, 4> kAlike = {"", "ComfyUI", "Fooocus", "SwarmUI"};
    if (std::ranges::find(kAlike, program_) != kAlike.end()) return add("prompt-syntax", "a1111");
    add("prompt-syntax", "plain");
    const auto both = info_.prompt + info_.negative_prompt;
    if (both.find_first_of("()[]{}+") == std::string::npos) return;
    note(
        fmt::format("{} writes weights of words otherwise than this program reads them: brackets "
                    "and signs are plain text",
                    program_));
  }

  /// Newer web UIs write the schedule beside the sampler, older ones into its name.
  void add_sampler() {
    const auto sampler = take("Sampler");
    const auto schedule = take("Schedule type");
    if (!sampler) return note("the sampler is not told: DDIM is taken");
    const auto named = find_sampler(*sampler);
    if (!named) return note(fmt::format("Sampler: there is no {} here", *sampler));
    const auto& info = info_of(named->kind);
    add("sampler", std::string(info.name));
    if (named->kind == SamplerKind::kDdim) {
      add_as_it_is("Eta");
    } else {
      unused_.insert("Eta");
    }
    const bool chosen = schedule && *schedule != "Automatic";
    const auto scheduler = chosen ? find_scheduler(*schedule) : named->scheduler;
    if (chosen && !scheduler) return refuse("Schedule type", *schedule);
    // DDIM and PLMS have timesteps of their own, here as there.
    if (scheduler && info.scheduler != SchedulerKind::kUniform) {
      add("scheduler", std::string(name_of(*scheduler)));
    }
  }

  void add_variation() {
    const auto seed = take("Variation seed"), strength = take("Variation seed strength");
    if (!seed || !strength) return;
    const auto amount = parse<double>(*strength);
    if (!parse<uint64_t>(*seed) || !amount || !(*amount >= 0 && *amount <= 1)) {
      return refuse("Variation seed", *seed + ", strength " + *strength);
    }
    add("variation", *seed + ":" + *strength);
  }

  void add_size() {
    const auto size = take("Size"), first = take("First pass size");
    const auto told = size ? parse_size(*size) : std::nullopt;
    if (size && !told) {
      return note(
          fmt::format("Size: {} cannot be drawn, sides are multiples of {}", *size, kSideStep));
    }
    // Where a second pass enlarged the picture, it was drawn in the size of the first.
    const auto small = first ? parse_size(*first) : std::nullopt;
    if (small && small->width > 0 && small->height > 0) return add_nearest(*small);
    if (told) return add_nearest(*told);
    if (program_.empty()) return;
    note("the size is not told: the picture's own is taken");
    add_nearest(picture_size_);
  }

  void add_nearest(Size wanted) {
    const Size drawn{nearest_side(wanted.width), nearest_side(wanted.height)};
    if (drawn != wanted) {
      note(fmt::format(
          "Size: {}x{} cannot be drawn, sides are multiples of {} up to {}: the nearest, "
          "{}x{}, is taken",
          wanted.width, wanted.height, kSideStep, kSideRange.most, drawn.width, drawn.height));
    }
    add("W", std::to_string(drawn.width));
    add("H", std::to_string(drawn.height));
  }

  static std::optional<Size> parse_size(std::string_view text) {
    const auto cross = text.find('x');
    if (cross == std::string_view::npos) return std::nullopt;
    const auto width = parse<int64_t>(without_point(std::string(text.substr(0, cross))));
    const auto height = parse<int64_t>(without_point(std::string(text.substr(cross + 1))));
    if (!width || !height || *width < 0 || *height < 0) return std::nullopt;
    return Size{*width, *height};
  }

  static int64_t nearest_side(int64_t side) {
    const auto inside = std::clamp(side, kSideStep, kSideRange.most);
    return (inside + kSideStep / 2) / kSideStep * kSideStep;
  }

  /// Ours say which sample of a batch of one seed it is; in the web UI each has its own seed.
  void add_batch() {
    const auto size = take("Batch size");
    const auto position = take("Batch pos");
    const auto count = size ? parse<int64_t>(*size) : std::nullopt;
    const bool whole =
        ours_ && count && *count >= kSamplesRange.least && *count <= kSamplesRange.most;
    add("n_samples", whole ? *size : "1");
    add("n_iter", "1");
    if (whole) {
      note(fmt::format("sample {} of a batch of {}; which batch of the run is not told",
                       position.value_or("?"), *size));
    }
  }

  void add_noise_schedule() {
    const auto schedule = take("Noise Schedule");
    if (!schedule || *schedule == "Default") return;
    if (*schedule != "Zero Terminal SNR") return refuse("Noise Schedule", *schedule);
    command_.options.push_back({"zero-terminal-snr", std::nullopt});
  }

  void add_noise() {
    const auto rng = take("RNG");
    if (rng && *rng != "NV" && *rng != "CPU") return refuse("RNG", *rng);
    if (rng) return add("rng", *rng == "NV" ? "cuda" : "cpu");
    if (ours_) return note("whether a GPU's random numbers were used is not told");
    add("rng", "cuda");
    note(program_.empty()
             ? "the random numbers are taken to be a GPU's, as by default in the web UI"
             : "whose random numbers were used is not told: a GPU's are taken");
  }

  void add_strength(const std::string& value) {
    const auto strength = parse<double>(value);
    if (!strength || !(*strength >= 0 && *strength <= 1))
      return refuse("Denoising strength", value);
    add("strength", value);
    note("the picture it started from is not told: add --init-img FILE (and --init-mask)");
  }

  void note_model() {
    const auto name = take("Model"), hash = take("Model hash");
    if (!name && !hash) return note("the model is not told: add --ckpt FILE");
    note(fmt::format("the model was {}{}: add --ckpt FILE", name.value_or("unnamed"),
                     hash ? fmt::format(" (hash {})", *hash) : ""));
  }

  void note_rest() {
    std::string rest;
    for (const auto& [key, value] : info_.settings) {
      if (!taken_.contains(key))
        rest += fmt::format("{}{}: {}", rest.empty() ? "" : ", ", key, value);
    }
    if (!rest.empty()) note("not used: " + rest);
    if (program_.empty() && !ours_ && info_.prompt.find('<') != std::string::npos) {
      note("networks named in the prompt, such as <lora:name:1>, are plain text here");
    }
    note(fmt::format(
        "made from {} alone, so the picture may differ",
        program_.empty() ? "the infotext" : fmt::format("the metadata of {}", program_)));
  }

  Infotext info_;
  std::set<std::string> taken_;
  std::set<std::string> unused_;  // keys that mean nothing beside what was taken
  GivenCommand command_;
  std::vector<std::string> notes_;
  bool ours_ = false;
  std::string program_;  // empty: it wrote an infotext
  Size picture_size_{};
};

}  // namespace

GuessedCommand command_of_infotext(const std::string& infotext) {
  return Guess(parse_infotext(infotext)).make();
}

GuessedCommand command_of_recipe(const ForeignRecipe& recipe, Size size) {
  return Guess(recipe, size).make();
}

}  // namespace sd::cli
