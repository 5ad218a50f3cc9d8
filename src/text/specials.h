#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "sd/text/tokenized_prompt.h"

namespace sd {

/// A text that stands for one id wherever a prompt has it as written.
struct SpecialText {
  std::string_view text;
  int64_t id = 0;
};

/// Appends the tokens of a part of a prompt; its first byte is byte `offset` of the prompt.
using AppendPlain =
    std::function<void(std::string_view part, std::size_t offset, std::vector<Token>& tokens)>;

/// The tokens of `text`: one for each special in it, and what `append_plain` makes of the rest.
std::vector<Token> tokenize_between(std::string_view text, std::span<const SpecialText> specials,
                                    const AppendPlain& append_plain);

}  // namespace sd
