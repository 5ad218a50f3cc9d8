#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/parser/app_outline.h"
#include "cli/parser/option_synonyms.h"
#include "cli/parser/settings.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kManDescription =
    R"(Prints the manual page, made from the options that this program has.

Examples:
  sd man | man -l -
  sd man > ~/.local/share/man/man1/sd.1)";

constexpr const char* kFiles = R"(.TP
.I $XDG_CONFIG_HOME/sd/config.toml
Settings, in TOML: keys are long names of options without the dashes. Keys at the top hold for all commands that draw,
those under [txt2img], [img2img] and so on for one. ~/.config/sd/config.toml if the variable is not set.
.TP
.I $XDG_CACHE_HOME/sd/hashes.json
Hashes of model files.
.TP
.I .sd\-*.tmp
A file or folder that is being written, beside its place. What a killed process left is removed by the next run that
writes there: at once if this start of the machine made it, else when nothing was written to it for a week.
)";

constexpr const char* kEnvironment = R"(.TP
.B SD_MODELS_DIR
A folder of models, which \-\-ckpt takes by their names.
.TP
.B SD_EMBEDDING_DIR
A folder of textual inversion embeddings, which prompts use by their names. The folder
.I embeddings
in SD_MODELS_DIR is another.
.TP
.BR SD_STEPS ", " SD_CKPT ", ..."
Every long option of the commands that draw: upper case, underscores for dashes; true or false for options without a
value. The command line wins over the environment, the environment over the file.
)";

constexpr const char* kExitStatus =
    R"(0 done, 1 failed, 2 wrong options or settings, 3 part of a list failed, 4 checkpoint, 5 reading or
writing, 6 out of memory, 130 interrupted.
.PP
Where standard output takes no more, because its reader went away
.RB ( "sd ... | head \-1" )
or its disk is full, the work is finished all the same: pictures, files and journals are complete. The exit status is
then 5 instead of 0, and a message says that not all output could be delivered. A descriptor that is closed from the
start counts as /dev/null.
)";

/// Text for roff: no escapes, no requests at the start of a line, dashes that can be copied.
std::string roff(const std::string& text) {
  std::string safe;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) safe += "\\&";
    if (c == '\\') {
      safe += "\\e";
    } else if (c == '-') {
      safe += "\\-";
    } else {
      safe += c;
    }
    line_begins = c == '\n';
  }
  return safe;
}

std::string entry(const OptionOutline& option) {
  std::string names;
  for (const auto& name : shown_names(option))
    names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
  if (!option.value.empty()) {
    std::string value = option.value;
    // Lines of man pages break at spaces only.
    if (option.kind == ValueKind::kWords) value = fmt::format("{}", fmt::join(option.words, " | "));
    names += fmt::format(" \\fI{}\\fR", roff(value));
  }
  const auto preset =
      option.preset.empty() ? "" : fmt::format(" Default: {}.", roff(option.preset));
  std::string also;
  for (const auto& name : other_names(option))
    also += fmt::format("{} \\fB{}\\fR", also.empty() ? " Also" : ",", roff(name));
  if (!also.empty()) also += ".";
  const char* stop = option.help.ends_with('.') || option.help.ends_with(')') ? "" : ".";
  return fmt::format(".TP\n{}\n{}{}{}{}\n", names, roff(option.help), stop, preset, also);
}

/// Options under the headings of their groups.
std::string entries(const std::vector<OptionOutline>& options) {
  std::string text;
  std::vector<std::string> groups;
  for (const auto& option : options) {
    if (std::ranges::find(groups, option.group) == groups.end()) groups.push_back(option.group);
  }
  for (const auto& group : groups) {
    if (groups.size() > 1) text += fmt::format(".PP\n.I {}\n", roff(group));
    for (const auto& option : options) {
      if (option.group == group) text += entry(option);
    }
  }
  return text;
}

bool has(const std::vector<OptionOutline>& options, const OptionOutline& option) {
  return std::ranges::find(options, option) != options.end();
}

/// Options that all commands that draw have in common, word for word.
std::vector<OptionOutline> shared_options(const CLI::App& app) {
  std::vector<OptionOutline> shared;
  bool first = true;
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* command) { return is_drawing(*command); })) {
    const auto options = outline_of(*command).options;
    if (first) shared = options;
    first = false;
    std::erase_if(shared, [&](const auto& option) { return !has(options, option); });
  }
  return shared;
}

std::string examples(const AppOutline& command) {
  if (command.examples.empty()) return {};
  std::string lines;
  for (const auto& example : command.examples) lines += roff(example) + "\n";
  return fmt::format(".PP\n.EX\n{}.EE\n", lines);
}

std::string section(const CLI::App& app, const std::vector<OptionOutline>& shared) {
  const auto command = outline_of(app);
  const bool draws = is_drawing(app);
  std::string usage = fmt::format("\\fBsd {}\\fR [\\fIoptions\\fR]", roff(command.name));
  for (const auto& argument : command.positionals)
    usage += fmt::format(" \\fI{}\\fR", roff(argument.names.front()));
  auto own = command.options;
  if (draws) std::erase_if(own, [&](const auto& option) { return has(shared, option); });
  std::string text = fmt::format(".SS {}\n{}\n.PP\n{}\n{}", roff(command.name), usage,
                                 roff(command.summary), examples(command));
  text += entries(own);
  if (draws) text += ".PP\nAnd the options of all drawing commands, below.\n";
  if (!command.footer.empty()) text += fmt::format(".PP\n{}\n", roff(command.footer));
  return text;
}

std::string page(const CLI::App& app) {
  const auto outline = outline_of(app);
  const auto shared = shared_options(app);
  const auto any = [](const CLI::App*) { return true; };
  std::string text = fmt::format(
      ".TH SD 1 \"\" \"sd {}\" \"User Commands\"\n.SH NAME\nsd \\- draws pictures with "
      "Stable Diffusion v1\n.SH SYNOPSIS\n\\fBsd\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n.SH "
      "DESCRIPTION\n{}\nNames of options may be written with dashes or underscores.\n{}",
      SD_VERSION, roff(outline.summary), examples(outline));
  text += ".SH OPTIONS\n" + entries(outline.options) + ".SH COMMANDS\n";
  for (const CLI::App* command : app.get_subcommands(any)) text += section(*command, shared);
  text += ".SH OPTIONS OF ALL DRAWING COMMANDS\n" + entries(shared);
  return text + ".SH FILES\n" + kFiles + ".SH ENVIRONMENT\n" + kEnvironment + ".SH EXIT STATUS\n" +
         kExitStatus;
}

}  // namespace

Command add_man(CLI::App& app) {
  auto* parser = app.add_subcommand("man", kManDescription)->group("Set-up");
  return {parser, [&app] {
            StandardOutput().line(page(app));
            return static_cast<int>(ExitCode::kDone);
          }};
}

}  // namespace sd::cli
