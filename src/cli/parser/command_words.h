#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/parser/typed_names.h"

namespace sd::cli {

/// Words of a command, checked.
struct CheckedWords {
  std::vector<std::string>
      words;  // as the parser takes them: first names, values in words of their own
  TypedNames typed;
};

/// Checks the words behind a command's name before the parser sees them: options that are unknown,
/// values that are missing, words that belong to nothing. Throws UsageError, which names what was
/// typed and what would help. Where help is asked for, that is all that is left of the words.
CheckedWords check_words(const CLI::App& command, const std::vector<std::string>& words);

/// Checks and parses the words behind `command` (itself `app`, or one of its commands); the
/// parser's own calls for help pass through. Returns the names that were typed. Throws UsageError,
/// in those names.
TypedNames parse_words(CLI::App& app, CLI::App& command, const std::vector<std::string>& words);

}  // namespace sd::cli
