#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options/given_options.h"
#include "cli/record/picture_record.h"

namespace sd::cli {

// What a picture's settings hold of the command line, so that `sd info --as-args` can give it back.

/// The arguments of the run, `sd` itself left out: what was typed but where things go and what is
/// printed, and behind it what was left to the machine (size, seed, device, dtype, threads). A run
/// with these arguments writes the same arguments. Paths below the home folder begin with "~/".
nlohmann::ordered_json repeat_args(const RunRecord& run);

/// "init-img" → 10 hex digits of the SHA-256 of the file that was given; of the input files that
/// can be read only. Read it before the run: afterwards the files may be others.
std::map<std::string, std::string> hash_input_files(const GivenCommand& given);

/// The same digits of one file; empty if it cannot be read.
std::string short_hash(const std::filesystem::path& file);

/// The words of a command line, `sd` left out.
std::vector<std::string> words_of(const GivenCommand& command);

/// A file that decides about pixels and that a command names.
struct NamedFile {
  std::string option;  // as it was given, "init_img"
  std::string key;     // of its hash: "init-img"; of an option's second file "control 2"
  std::filesystem::path path;
  bool hashed = false;  // an input file
};
std::vector<NamedFile> named_files(const GivenCommand& command);

/// Undoes words_of and what repeat_args does to paths, without what only says where things go;
/// nothing if they cannot have made `words`. Options that there are not here, as of a newer
/// version, are left out and named in `unknown`, if that is given.
std::optional<GivenCommand> command_of_words(const std::vector<std::string>& words,
                                             std::vector<std::string>* unknown = nullptr);

/// Whether an option, such as "init-img", names a file that decides about pixels; a dash is as good
/// as an underscore.
bool names_input_file(std::string_view option);

/// Likewise for weights.
bool names_model_file(std::string_view option);

}  // namespace sd::cli
