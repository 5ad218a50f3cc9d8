#include "sd/control/word_masks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "sd/core/error.h"
#include "sd/pipeline/row_sharing.h"

namespace sd {
namespace {

constexpr int64_t kStatedSide = 64;  // latents of SD v1, of which resolutions are stated

/// Positions of those of the words that a prompt has, at least one.
std::vector<int64_t> tokens_of(const std::vector<std::string>& words, const std::string& prompt,
                               const Tokenizer& tokenizer) {
  std::vector<int64_t> tokens;
  for (const auto& word : words) {
    try {
      const auto found = word_positions("", prompt, word, tokenizer);
      tokens.insert(tokens.end(), found.begin(), found.end());
    } catch (const UsageError&) {  // another prompt has it
    }
  }
  if (tokens.empty()) {
    throw UsageError(fmt::format("masks: '{}' has none of the words {}; name one of each prompt's",
                                 prompt, fmt::join(words, ", ")));
  }
  return tokens;
}

}  // namespace

std::shared_ptr<WordMasks> make_word_masks(const std::vector<std::string>& words,
                                           const std::vector<PromptSet>& samples,
                                           const Tokenizer& tokenizer, int64_t resolution) {
  if (samples.empty()) throw UsageError("no prompts given");
  WordMaskOptions options;
  options.downsampling = kStatedSide / resolution;
  options.target_words.clear();
  options.source_words.clear();
  for (std::size_t target = 0; target < samples.front().targets.size(); ++target) {
    for (const auto& sample : samples)
      options.target_words.push_back(tokens_of(words, sample.targets.at(target), tokenizer));
  }
  for (const auto& sample : samples) {
    if (!sample.source) throw UsageError("masks need a source prompt");
    options.source_words.push_back(tokens_of(words, *sample.source, tokenizer));
  }
  return std::make_shared<WordMasks>(std::move(options));
}

}  // namespace sd
