#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/options/option_values.h"

namespace sd::cli {

/// The commands that have an option.
enum Commands : unsigned {
  kNoCommand = 0,
  kTxt2ImgCommand = 1,
  kImg2ImgCommand = 2,
  kSwapCommand = 4,
  kAttnCommand = 8,
  kPictureCommands = kImg2ImgCommand | kSwapCommand,  // these start from a picture
  kEveryCommand = kTxt2ImgCommand | kPictureCommands | kAttnCommand,
};

/// What an option decides about.
enum class Role {
  kPixels,     // the picture: told by its metadata, repeated by `sd info --as-args`
  kInputFile,  // the same by a file, whose hash the metadata keep
  kModelFile,  // the same by weights
  kElsewhere,  // where things go, what is shown and said: a picture from elsewhere cannot set it
};

/// Who may set an option.
enum class Scope {
  kTask,     // a command line, and each task of a list
  kMachine,  // a command line; tasks inherit it and cannot have it
  kRun,      // a command line alone
};

/// A key among others: behind `after`, or where that is empty behind the key of the row before.
struct KeyPlace {
  std::string_view key = {};
  std::string_view after = {};
};

/// The setting of an infotext (AUTOMATIC1111's `parameters`) that tells of an option.
struct InfotextPlace {
  std::string_view key = {};
  std::string_view after = {};
  bool always = false;  // else only where the option is not at its default
  std::string (*text)(const DrawOptions&) = nullptr;  // null: as metadata tell it
  /// The name under which `sd info --as-args` gives the option this text as it is; empty: code of
  /// its own reads it (record/infotext_command.cpp).
  std::string_view read_back = {};
};

/// One option of the commands that draw: all that the program knows of it stands in its row. The
/// parser, help, completion, the manual, settings, tasks, metadata and what is read back from them
/// go by these rows; docs/adding-an-option.md tells how to add one.
struct OptionRow {
  /// "ddim_steps,steps": names that help shows, with underscores or dashes, which mean the same.
  /// Errors name the first.
  std::string_view names;
  /// Other programs' names for it that mean nothing else here.
  std::string_view synonyms = {};
  std::string_view group;
  std::string help;
  /// Another wording, for some commands.
  unsigned other_commands = kNoCommand;
  std::string_view other_help = {};
  OptionValue value;
  unsigned commands = kEveryCommand;
  /// The default as help shows it, where `value` shows none or another.
  std::string_view preset = {};

  Role role = Role::kPixels;
  Scope scope = Scope::kTask;
  /// The run settles it: metadata repeat what was taken, not what was typed.
  bool settled = false;
  /// What it belongs to, and what is said where it is given without: "belongs to --mode p2p".
  bool (*needs)(const DrawOptions&) = nullptr;
  std::string_view without = {};
  /// Samples of one batch may each have their own (cells of a grid).
  bool of_a_sample = false;
  /// Options that are answered with this one: settings of a lower rank leave them alone.
  std::string_view answers = {};

  /// Where metadata tell of it: "steps", "input.strength" (a key of the object `input`).
  KeyPlace key = {};
  /// Tell of it only where it is not at its default.
  bool told_if_given = false;
  /// Tell of it only where this holds; null: always.
  bool (*told_where)(const DrawOptions&) = nullptr;
  /// Of an option without a key of its own: the key that tells what came of it.
  std::string_view told_by = {};
  InfotextPlace infotext = {};
};

/// All rows, in the order in which help lists the options of a group and the parser reads them.
const std::vector<OptionRow>& option_rows();

/// The row that has this name, dashes or underscores, or null. Where commands have different
/// options of one name: any of them.
const OptionRow* find_row(std::string_view name);

/// "a,b" as its parts; none of "".
std::vector<std::string> split_names(std::string_view names);

/// The first of a row's names: "ddim_steps".
std::string_view first_name(const OptionRow& row);

/// Whether a row has this name, with dashes or underscores.
bool is_named(const OptionRow& row, std::string_view name);

/// Whether metadata of a run with these options tell of it.
bool is_told(const OptionRow& row, const DrawOptions& options);

/// Whether the option is not at its default.
bool is_given(const OptionRow& row, const DrawOptions& options);

/// Whether an infotext of a run with these options tells of it.
bool is_in_infotext(const OptionRow& row, const DrawOptions& options);

/// What the option is, as an infotext has it.
std::string infotext_of(const OptionRow& row, const DrawOptions& options);

// The rows by subject; option_rows puts them together.
std::vector<OptionRow> prompt_rows();
std::vector<OptionRow> few_step_rows();
std::vector<OptionRow> guidance_rows();
std::vector<OptionRow> faster_rows();
std::vector<OptionRow> control_net_rows();
std::vector<OptionRow> number_rows();
std::vector<OptionRow> batch_rows();
std::vector<OptionRow> reweight_rows();
std::vector<OptionRow> gradient_rows();
std::vector<OptionRow> attn_rows();
std::vector<OptionRow> model_rows();
std::vector<OptionRow> addon_rows();
std::vector<OptionRow> embedding_rows();
std::vector<OptionRow> ip_adapter_rows();
std::vector<OptionRow> sharing_rows();
std::vector<OptionRow> machine_rows();
std::vector<OptionRow> output_rows();
std::vector<OptionRow> input_rows();
std::vector<OptionRow> inversion_rows();
std::vector<OptionRow> swap_rows();
std::vector<OptionRow> region_rows();
std::vector<OptionRow> scope_rows();

}  // namespace sd::cli
