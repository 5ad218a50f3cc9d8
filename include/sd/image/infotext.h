#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sd {

/// What AUTOMATIC1111's web UI writes into the `parameters` chunk of its pictures.
struct Infotext {
  std::string prompt;
  std::string negative_prompt;
  /// "Steps" → "50", … in the order they are written; values unquoted.
  std::vector<std::pair<std::string, std::string>> settings;
};

/// A number as Python's str() prints it: "7", "7.5", "1e-05". Whole values print without a point.
std::string number_text(double value);

/// Prompt, `Negative prompt: …` if not empty, and a line of the settings in their order; values
/// with `,`, `:` or a line break are quoted as JSON. Readers expect Steps, Sampler, Schedule type,
/// CFG scale, Seed, Size, Model hash, Model, VAE hash, VAE, Variation seed, Variation seed
/// strength, Denoising strength, Clip skip, RNG, our own, Version.
std::string format_infotext(const Infotext& info);

/// Reads one; the last line counts as settings only with at least 3 `Key: value` pairs, as A1111
/// reads it: blanks around every line go, values are unquoted. Anything is an infotext: text
/// without settings is all prompt.
Infotext parse_infotext(std::string_view text);

}  // namespace sd
