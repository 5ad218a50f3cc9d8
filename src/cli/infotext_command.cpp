#include "cli/infotext_command.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "cli/draw_limits.h"
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

/// Takes settings one after the other; those that nobody took are named at the end.
class Guess {
 public:
  explicit Guess(Infotext info) : info_(std::move(info)) {}

  GuessedCommand make() {
    const auto version = take("Version");
    ours_ = version && version->starts_with("sd ");
    const auto source = take("Source prompt");  // ours
    const auto strength = take("Denoising strength");
    command_.name = source ? "swap" : strength ? "img2img" : "txt2img";
    if (source) add("sprompt", *source);
    add("prompt", info_.prompt);
    if (!info_.negative_prompt.empty()) add("negative-prompt", info_.negative_prompt);
    if (!ours_) add("prompt-syntax", "a1111");
    add_number("Clip skip", "clip-skip", kClipSkipRange);
    add_number("Steps", "steps", kStepsRange);
    add_sampler();
    add_number("CFG scale", "scale", kScaleRange);
    add_number("Seed", "seed", kSeedRange);
    add_variation();
    add_size();
    add_batch();
    add_noise();
    if (strength) add_strength(*strength);
    if (strength) add_number("Image CFG scale", "img-scale", kScaleRange);
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
  void add(const char* name, std::string value) {
    command_.options.push_back({name, std::move(value)});
  }
  void note(std::string text) { notes_.push_back(std::move(text)); }
  void refuse(const std::string& key, const std::string& value) {
    note(fmt::format("{}: {} cannot be used here", key, value));
  }

  template <typename Number>
  void add_number(const std::string& key, const char* name, Range<Number> range) {
    const auto value = take(key);
    if (!value) return;
    const auto number = parse<Number>(*value);
    if (!number || !(*number >= range.least && *number <= range.most)) return refuse(key, *value);
    add(name, *value);
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
    if (named->kind == SamplerKind::kDdim) add_number("Eta", "ddim_eta", kEtaRange);
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
    const auto size = take("Size");
    if (!size) return;
    const auto cross = size->find('x');
    const auto width = parse<int64_t>(std::string_view(*size).substr(0, cross));
    const auto height = cross == std::string::npos
                            ? std::nullopt
                            : parse<int64_t>(std::string_view(*size).substr(cross + 1));
    const auto fits = [](std::optional<int64_t> side) {
      return side && *side >= kSideStep && *side <= kSideRange.most && *side % kSideStep == 0;
    };
    if (!fits(width) || !fits(height)) {
      return note(
          fmt::format("Size: {} cannot be drawn, sides are multiples of {}", *size, kSideStep));
    }
    add("W", std::to_string(*width));
    add("H", std::to_string(*height));
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

  void add_noise() {
    const auto rng = take("RNG");
    if (rng && *rng != "NV" && *rng != "CPU") return refuse("RNG", *rng);
    if (rng) return add("rng", *rng == "NV" ? "cuda" : "cpu");
    if (ours_) return note("whether a GPU's random numbers were used is not told");
    add("rng", "cuda");
    note("the random numbers are taken to be a GPU's, as by default in the web UI");
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
    if (!ours_ && info_.prompt.find('<') != std::string::npos) {
      note("networks named in the prompt, such as <lora:name:1>, are plain text here");
    }
    note("made from the infotext alone, so the picture may differ");
  }

  Infotext info_;
  std::set<std::string> taken_;
  GivenCommand command_;
  std::vector<std::string> notes_;
  bool ours_ = false;
};

}  // namespace

GuessedCommand command_of_infotext(const std::string& infotext) {
  return Guess(parse_infotext(infotext)).make();
}

}  // namespace sd::cli
