#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options/attn_options.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// A word whose map is drawn.
struct AttnWord {
  std::string text;                // as shown: the prompt's spelling, or what `--words` asked for
  std::vector<int64_t> positions;  // of its tokens, ascending, not empty
  std::string stem;                // "02_snowy": name of its files without ending
};

/// What a run draws, as far as its maps depend on it.
struct AttnSubject {
  std::vector<std::string> prompts;   // of the targets, each once
  std::optional<std::string> source;  // absent: no source is drawn
  std::string negative_prompt;
  bool guided = true;                // guidance other than 1: there are rows of the negative prompt
  StepShare guidance_interval = {};  // in these steps
  int64_t steps = 50;
};

/// The prompt whose tokens the maps of a target's picture have.
const std::string& attn_prompt(const AttnOptions& options, const AttnSubject& subject,
                               const std::string& target);

/// The words of `prompt` that `wanted` names, in its order; all words of the prompt, each once at
/// its first place, if it is empty. Throws UsageError, listing the words there are, for one that is
/// not in the prompt or was cut off, or if the prompt has none.
std::vector<AttnWord> choose_words(const std::string& prompt,
                                   const std::vector<std::string>& wanted,
                                   const Tokenizer& tokenizer);

/// Checks everything about `--attn` that needs no loaded model, before anything is written. Throws
/// UsageError: unknown words, rows, steps or a source that the run does not have, options without
/// `--attn`.
void check_attn(const AttnOptions& options, const AttnSubject& subject, const Tokenizer& tokenizer);

/// `text` as part of a file name: letters, digits and hyphens of any script stay, all else becomes
/// "_"; at most so many bytes. Never empty.
std::string file_name_part(std::string_view text, std::size_t most_bytes = 48);

}  // namespace sd::cli
