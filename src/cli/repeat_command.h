#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/given_options.h"
#include "cli/picture_record.h"

namespace sd::cli {

// What draws a picture again: `args` of its settings, and the command that `sd info --as-args`
// makes of them.

/// The arguments of the run, `sd` itself left out: what was typed but where things go and what is
/// printed, and behind it what was left to the machine (size, seed, device, dtype, threads). A run
/// with these arguments writes the same arguments. Paths below the home folder begin with "~/".
nlohmann::ordered_json repeat_args(const RunRecord& run);

/// "init-img" → 10 hex digits of the SHA-256 of the file that was given; what was given and can be
/// read only. Read it before the run: afterwards the files may be others.
std::map<std::string, std::string> hash_input_files(const GivenCommand& given);

/// A command for a shell, and what is to be said beside it.
struct RepeatCommand {
  std::string command;             // one line, quoted for bash, zsh or ksh
  std::vector<std::string> notes;  // for people
};

/// The command that made a picture: from our own settings the whole run, from an infotext alone as
/// much as it tells. Throws IoError if the file is no picture, damaged, or says nothing of how it
/// was made.
RepeatCommand repeat_command(const std::filesystem::path& picture);

}  // namespace sd::cli
