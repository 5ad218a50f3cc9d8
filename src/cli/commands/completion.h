#pragma once

#include <string>

#include "cli/parser/app_outline.h"

namespace sd::cli {

/// Shell code that completes commands, options and values of `app`. Model names come from
/// `sd completion --models` when they are asked for.
std::string bash_completion(const AppOutline& app);
std::string zsh_completion(const AppOutline& app);
std::string fish_completion(const AppOutline& app);

/// `text` as one word for a POSIX shell, zsh or bash.
std::string shell_word(const std::string& text);

}  // namespace sd::cli
