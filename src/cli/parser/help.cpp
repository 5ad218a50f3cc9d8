#include "cli/parser/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/parser/app_outline.h"
#include "cli/parser/option_synonyms.h"
#include "cli/parser/settings.h"
#include "cli/shell/text_width.h"

namespace sd::cli {
namespace {

constexpr std::size_t kColumn = 30;       // where what an option does begins
constexpr std::size_t kLongestType = 40;  // the words of a longer one would fill the line
constexpr std::size_t kShortColumn = 32;  // the same on the first screen
constexpr std::size_t kCommandColumn = 14;

/// Options of the first screen of a command that draws or measures drawing, before and behind those
/// of all commands.
struct MostUsed {
  std::string_view command;
  std::string_view first;  // with commas between
  std::string_view last;
};

constexpr std::array kMostUsed = {
    MostUsed{"txt2img", "", "from-file,device,help-all"},
    MostUsed{"img2img", "init-img,strength,init-mask,mask-blur", "device,help-all"},
    MostUsed{"swap", "sprompt,mode,cross-steps,local-blend,init-img,strength,dry-run",
             "device,help-all"},
    MostUsed{"invert", "method,output,reconstruct", "device,help-all"},
    MostUsed{"attn", "words,attn-norm,attn-res,from,img,token_idx", "device,help-all"},
    MostUsed{"bench", "rounds,wait,profile", "dtype,threads,json,help-all"},
};
constexpr std::string_view kUsedByAll =
    "prompt,negative-prompt,ckpt,W,H,steps,sampler,scale,seed,n_samples,n_iter,outdir";

/// Text broken at blanks into lines of at most kHelpWidth columns; all but the first are indented.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::string lines, line;
  const auto end_line = [&] {
    lines += (lines.empty() ? "" : "\n" + std::string(indent, ' ')) + line;
    line.clear();
  };
  for (const auto& word : CLI::detail::split(text, ' ')) {
    if (word.empty()) continue;
    if (!line.empty() && indent + text_width(line) + 1 + text_width(word) > kHelpWidth) end_line();
    line += (line.empty() ? "" : " ") + word;
  }
  end_line();
  return lines;
}

/// A command line over several lines where one is too short, still to be copied.
std::string wrapped_example(const std::string& example) {
  constexpr std::string_view kGoesOn = " \\";
  std::string lines, line = "  ";
  std::size_t at = 0;
  while (at < example.size()) {
    const auto next = std::min(example.find(" --", at + 1), example.size());
    const auto piece = example.substr(at, next - at);
    if (text_width(line) + text_width(piece) + kGoesOn.size() > kHelpWidth && line.size() > 4) {
      lines += line + std::string(kGoesOn) + "\n";
      line = "     ";
    }
    line += piece;
    at = next;
  }
  return lines + line + "\n";
}

/// Two columns: what is named, and what is said of it.
std::string entry(const std::string& name, const std::string& what, std::size_t column) {
  auto line = "  " + name;
  if (what.empty()) return line + "\n";
  const auto width = text_width(line);
  line += width + 2 > column ? "\n" + std::string(column, ' ') : std::string(column - width, ' ');
  return line + wrapped(what, column) + "\n";
}

std::string names_and_value(const OptionOutline& option) {
  auto names = shown_names(option);
  std::ranges::stable_sort(names, {}, [](const auto& name) { return name.starts_with("--"); });
  auto text = fmt::format("{}", fmt::join(names, ", "));
  if (option.kind == ValueKind::kFlag) return text;
  text += " " + (option.value.size() > kLongestType ? "NAME" : option.value);
  return text + (option.preset.empty() ? "" : "=" + option.preset);
}

/// The part of a help text that says what an option is for.
std::string brief(const std::string& help) {
  return help.substr(0, std::min({help.find(" ("), help.find("; "), help.find(". ")}));
}

/// Paragraphs, each behind an empty line.
std::string paragraphs(const std::string& footer) {
  std::string text;
  std::size_t begin = 0;
  while (begin < footer.size()) {
    const auto end = std::min(footer.find("\n\n", begin), footer.size());
    auto paragraph = footer.substr(begin, end - begin);
    std::ranges::replace(paragraph, '\n', ' ');
    text += "\n" + wrapped(paragraph, 0) + "\n";
    begin = end + 2;
  }
  return text;
}

/// What a command does: its description up to the examples.
std::string description_text(const CLI::App& app) {
  const auto description = app.get_description();
  return paragraphs(description.substr(0, description.find("\n\nExamples:"))).substr(1);
}

std::string usage_line(const AppOutline& outline, const std::string& name) {
  auto usage = fmt::format("Usage: {}{}", name, outline.commands.empty() ? "" : " COMMAND");
  usage += " [options]";
  for (const auto& positional : outline.positionals)
    usage += " " + positional.names.front() + (positional.repeated ? "..." : "");
  return usage + "\n";
}

std::string examples_text(const AppOutline& outline, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(most, outline.examples.size()); ++i)
    text += wrapped_example(outline.examples[i]);
  return text.empty() ? text : "\nExamples:\n" + text;
}

std::vector<std::string> groups_of(const std::vector<OptionOutline>& options) {
  std::vector<std::string> groups;
  for (const auto& option : options) {
    if (std::ranges::find(groups, option.group) == groups.end()) groups.push_back(option.group);
  }
  return groups;
}

/// Groups of the command's own first, then those that more and more of the drawing commands have,
/// the meta options last.
std::vector<std::string> ordered_groups(const CLI::App& app, const AppOutline& outline) {
  auto groups = groups_of(outline.options);
  const auto* parent = app.get_parent();
  if (parent == nullptr || !is_drawing(app)) return groups;
  const auto drawing = parent->get_subcommands([](const auto* c) { return is_drawing(*c); });
  const auto owners = [&](const std::string& group) {
    return std::ranges::count_if(drawing, [&](const CLI::App* other) {
      const auto in_group = [&](const CLI::Option* option) { return option->get_group() == group; };
      return !other->get_options(in_group).empty();
    });
  };
  std::ranges::stable_sort(groups, {}, [&](const std::string& group) {
    return std::pair(group == "Options", owners(group));
  });
  return groups;
}

std::string synonyms_text(const std::vector<OptionOutline>& options) {
  std::string text;
  for (const auto& option : options) {
    const auto others = other_names(option);
    if (others.empty()) continue;
    text += entry(shown_names(option).front(), fmt::format("{}", fmt::join(others, ", ")), kColumn);
  }
  return text.empty() ? text : "\nOther programs' names, which work too:\n" + text;
}

std::string all_options(const CLI::App& app, const AppOutline& outline) {
  std::string text;
  if (!outline.positionals.empty()) text += "\nArguments:\n";
  for (const auto& positional : outline.positionals)
    text += entry(positional.names.front(), positional.help, kColumn);
  for (const auto& group : ordered_groups(app, outline)) {
    text += fmt::format("\n{}:\n", group);
    for (const auto& option : outline.options) {
      if (option.group == group) text += entry(names_and_value(option), option.help, kColumn);
    }
  }
  return text + synonyms_text(outline.options);
}

/// Names and value where they leave room for the second column, else less of them.
std::string short_name(OptionOutline option) {
  const auto fits = [&] { return text_width(names_and_value(option)) + 4 <= kShortColumn; };
  if (!fits()) option.preset.clear();
  if (!fits()) option.names.resize(1);
  if (!fits()) option.value = "NAME";
  return names_and_value(option);
}

/// The options of the list that the command has, in the list's order.
std::string some_options(std::string_view list, const AppOutline& outline) {
  std::string text;
  for (const auto& name : CLI::detail::split(std::string(list), ',')) {
    const auto option = std::ranges::find_if(outline.options, [&](const OptionOutline& candidate) {
      return std::ranges::find(candidate.names, "--" + name) != candidate.names.end();
    });
    if (option == outline.options.end()) continue;
    text += entry(short_name(*option), brief(option->help), kShortColumn);
  }
  return text;
}

std::string commands_text(const CLI::App& app) {
  std::string text, group;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group() != group) text += fmt::format("\n{}:\n", command->get_group());
    group = command->get_group();
    text += entry(command->get_name(), outline_of(*command).summary, kCommandColumn);
  }
  return text;
}

/// The first screen of a command that draws: its own options come first.
std::string first_screen(const CLI::App& app, const AppOutline& outline, const std::string& name,
                         const MostUsed& used) {
  auto text = description_text(app) + "\n" + usage_line(outline, name);
  text += examples_text(outline, 2);
  text += "\nOptions used most:\n";
  for (const auto list : {used.first, kUsedByAll, used.last}) text += some_options(list, outline);
  return text +
         fmt::format("\n'{} --help-all' lists all {} options.\n", name, outline.options.size());
}

std::string whole_help(const CLI::App& app, const AppOutline& outline, const std::string& name) {
  auto text = description_text(app) + "\n" + usage_line(outline, name);
  text += examples_text(outline, outline.examples.size());
  if (!outline.commands.empty()) text += commands_text(app);
  text += all_options(app, outline);
  return text + paragraphs(outline.footer);
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  const auto outline = outline_of(*app);
  const bool all = mode == CLI::AppFormatMode::All;
  const auto most_used = std::ranges::find(kMostUsed, outline.name, &MostUsed::command);
  if (!all && most_used != kMostUsed.end()) return first_screen(*app, outline, name, *most_used);
  auto text = whole_help(*app, outline, name);
  if (!all) return text;
  for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; }))
    text += fmt::format("\n{}\n{}", std::string(kHelpWidth, '-'), command->help(name, mode));
  return text;
}

}  // namespace sd::cli
