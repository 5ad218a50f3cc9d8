#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sd::cli {

/// What a value may be, as far as it can be completed or checked by its form.
enum class ValueKind { kFlag, kWords, kFile, kFolder, kModel, kWhole, kNumber, kText, kOther };

/// An option as the parser knows it. Completions, the manual page and settings are made from this,
/// so that no second list of options exists.
struct OptionOutline {
  std::vector<std::string>
      names;  // "--ddim_steps", "--ddim-steps", "--steps"; "--quiet", "-q"; "IN"
  ValueKind kind = ValueKind::kFlag;
  std::string value;               // "N", "FILE", "{f32,bf16}"; empty for a flag
  std::vector<std::string> words;  // of kWords
  std::string help;                // on one line
  std::string group;
  std::string preset;
  bool repeated = false;

  bool operator==(const OptionOutline&) const = default;
};

/// A command, or the program itself.
struct AppOutline {
  std::string name;
  std::string summary;                // the first line of its description
  std::vector<std::string> examples;  // command lines
  std::string footer;
  std::vector<OptionOutline> options;
  std::vector<OptionOutline> positionals;
  std::vector<AppOutline> commands;
};

AppOutline outline_of(const CLI::App& app);
OptionOutline outline_of(const CLI::Option& option);

/// The names that help shows: one a meaning, not the other spelling with dashes or underscores.
std::vector<std::string> distinct_names(const std::vector<std::string>& names);

/// "n_samples" for "--n-samples": how names of options are compared.
std::string bare_name(std::string_view name);

}  // namespace sd::cli
