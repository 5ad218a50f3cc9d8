#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sd/text/tokenizer.h"

namespace sd::cli {

/// Which of some ids a model has learnt, in their order.
using LearntIds = std::function<std::vector<bool>(const std::vector<int64_t>& ids)>;

/// The words of the prompts, each once and in order, that have a token which the model never
/// learnt. `tokenizer` reads the prompts.
std::vector<std::string> unlearnt_words(const std::vector<std::string>& prompts,
                                        const Tokenizer& tokenizer, const LearntIds& learnt);

/// All words of letters that are one token and that a model has learnt, by the alphabet.
std::vector<std::string> learnt_words(const Tokenizer& tokenizer, const LearntIds& learnt);

/// That the model does not know `unlearnt`, and what it knows.
std::string vocabulary_notice(const std::vector<std::string>& unlearnt,
                              const std::vector<std::string>& learnt);

}  // namespace sd::cli
