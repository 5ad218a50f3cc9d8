#include "cli/seed_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <random>
#include <string>

#include "cli/choices.h"
#include "cli/draw_limits.h"
#include "cli/option_groups.h"
#include "cli/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

template <typename Number>
bool parse_all(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Variation parse_variation(std::string_view text) {
  Variation variation;
  const auto colon = text.find(':');
  const bool fits = colon != text.npos && parse_all(text.substr(0, colon), variation.seed) &&
                    parse_all(text.substr(colon + 1), variation.strength) &&
                    variation.strength >= 0 && variation.strength <= 1;
  if (!fits) {
    throw UsageError(fmt::format(
        "--variation: '{}' is not SEED:STRENGTH with a strength from 0 to 1, like 7:0.2", text));
  }
  return variation;
}

void add_seed_options(CLI::App& app, DrawOptions& options) {
  add_whole(app, "seed", options.seed, kSeedRange,
            "Start of the random numbers (-1: a random one)");
  const Choices<SeedMode> modes = {{"batch", SeedMode::kBatch}, {"image", SeedMode::kImage}};
  add_choice(
      app, "seed-mode", options.seed_mode, modes,
      "batch: one draw a batch, as the original; image:\npicture i is that of SEED + i drawn "
      "alone")
      ->default_str("batch");
  add_whole(
      app, "only", options.only, kPictureRange,
      "Draw only this picture of the run, counted from 0;\nthe same bytes as among the others");
  add_parsed(
      app, "variation",
      [&options](const std::string& text) { options.variation = parse_variation(text); }, "SEED:X",
      "Start X of the way (0 to 1) to the noise of SEED");
  add_choice(app, "rng", options.rng, rng_choices(),
             "Whose random numbers: cuda gives a GPU's anywhere")
      ->default_str("device");
}

void settle_seed(DrawOptions& options) {
  if (options.variation && options.init_latents) {
    throw UsageError("--variation: mixes noises, and --init-latents gives the start itself");
  }
  if (options.seed_mode == SeedMode::kImage && options.fixed_code) {
    throw UsageError(
        "--seed-mode image gives every picture a start of its own, --fixed_code one to all");
  }
  options.seed = settled_seed(options);
}

int64_t settled_seed(const DrawOptions& options) {
  if (options.seed != kRandomSeed) return options.seed;
  const auto seed = static_cast<int64_t>(std::random_device{}());
  if (!options.quiet) print_message(fmt::format("seed: {}", seed));
  return seed;
}

}  // namespace sd::cli
