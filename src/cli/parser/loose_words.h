#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/parser/app_outline.h"

namespace sd::cli {

/// The option before a word, and its value.
struct GivenBefore {
  OptionOutline option;
  std::string typed;
  std::string value;
};

/// A word that belongs to no option, of a command that takes no such words.
struct LooseWord {
  std::string word;
  std::optional<GivenBefore> before;
};

/// A message about the first of `words`: which word it is, and what it was probably meant for.
/// `words` must not be empty.
std::string loose_trouble(const CLI::App& command, const std::vector<LooseWord>& words);

}  // namespace sd::cli
