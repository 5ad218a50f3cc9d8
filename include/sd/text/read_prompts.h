#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/control_words.h"
#include "sd/text/prompt_reader.h"

namespace sd {

/// A source or target of a swap, which takes attention from one prompt to one, that AND puts
/// together of several.
class ComposedSwap : public UsageError {
 public:
  ComposedSwap(std::string swapped, std::size_t prompts);

  std::string prompt;
  std::size_t parts;
};

/// What a batch's prompts are read with.
struct PromptReading {
  PromptSyntax syntax = PromptSyntax::kPlain;
  int64_t steps = 50;
  std::string negative_prompt;
  int64_t least_chunks = 1;
};

/// Reads prompts by their syntax. All of them, the negative one too, get as many chunks as the
/// longest needs, so that a control can be made for one as for all. Throws UsageError for prompts
/// that cannot be read, ComposedSwap.
std::shared_ptr<const PromptReader> read_prompts(const std::vector<PromptSet>& prompts,
                                                 const PromptReading& reading,
                                                 const std::shared_ptr<const Tokenizer>& tokenizer);

}  // namespace sd
