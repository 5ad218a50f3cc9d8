#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sd::cli {

/// A command for a shell, and what is to be said beside it.
struct RepeatCommand {
  std::string command;             // one line, quoted for bash, zsh or ksh
  std::vector<std::string> notes;  // for people
};

/// The command that draws a picture again: from our own settings to the byte (only that picture of
/// its run, unless it is a grid), from an infotext alone as much as it tells. Throws IoError if the
/// file is no picture, damaged, or says nothing of how it was made.
RepeatCommand repeat_command(const std::filesystem::path& picture);

}  // namespace sd::cli
