#include "cli/parser/command_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "cli/parser/app_outline.h"
#include "cli/parser/loose_words.h"
#include "cli/parser/option_hints.h"
#include "cli/parser/settings_check.h"
#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

constexpr std::array<std::string_view, 4> kYes = {"true", "on", "yes", "1"};
constexpr std::array<std::string_view, 4> kNo = {"false", "off", "no", "0"};

bool is_one_of(const std::array<std::string_view, 4>& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// "sd swap"; a task's command has no program around it.
std::string full_name(const CLI::App& command) {
  const auto* parent = command.get_parent();
  const auto program = parent == nullptr ? std::string() : parent->get_name();
  return fmt::format("{} {}", program.empty() ? "sd" : program, command.get_name());
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

/// Goes through words as the parser does, and stops at the first that does not fit.
class WordWalk {
 public:
  WordWalk(const CLI::App& command, const std::vector<std::string>& words)
      : command_(command), outline_(outline_of(command)), words_(words) {
    for (const auto& positional : outline_.positionals) {
      room_ += positional.repeated ? words.size() : 1;
    }
  }

  CheckedWords walk() {
    for (at_ = 0; at_ < words_.size() && !help_; ++at_) take(words_[at_]);
    if (help_) return {{*help_}, {}};
    if (!trouble_.empty()) throw UsageError(trouble_);
    if (!loose_.empty()) throw UsageError(loose_trouble(command_, loose_));
    // Behind everything else, so that one with a dash at its beginning is no option.
    if (!positionals_.empty()) checked_.words.push_back("--");
    std::ranges::move(positionals_, std::back_inserter(checked_.words));
    return std::move(checked_);
  }

 private:
  void take(const std::string& word) {
    if (positional_only_) return take_positional(word);
    if (word == "--" && room_ > 0) {
      positional_only_ = true;
    } else if (word.size() > 2 && word.starts_with("--")) {
      take_long(word);
    } else if (word.size() > 1 && word[0] == '-' && is_letter(word[1])) {
      take_short(word);
    } else {
      take_positional(word);
    }
  }

  /// Only the first trouble is told. Help that is asked for further on comes before it.
  void fail(const std::string& message) {
    if (trouble_.empty() && loose_.empty()) trouble_ = message;
  }

  const CLI::Option* find_long(const std::string& name) const {
    for (const CLI::Option* option : command_.get_options()) {
      if (option->check_lname(name)) return option;
    }
    return nullptr;
  }
  const CLI::Option* find_short(char letter) const {
    for (const CLI::Option* option : command_.get_options()) {
      if (option->check_sname(std::string(1, letter))) return option;
    }
    return nullptr;
  }

  void take_long(const std::string& word) {
    const auto equals = word.find('=');
    const auto typed = word.substr(0, equals);
    const auto* option = find_long(typed.substr(2));
    if (option == nullptr) return fail(unknown(typed));
    take_option(
        *option, typed,
        equals == std::string::npos ? std::nullopt : std::optional(word.substr(equals + 1)));
  }

  /// "-q", "-qv", "-W512"; not "-prompt", which would be -p with "rompt".
  void take_short(const std::string& word) {
    const auto name = word.substr(1, word.find('=') - 1);
    const auto* option = find_short(word[1]);
    if (name.size() > 1 && find_long(name) != nullptr) {
      return fail(
          fmt::format("unknown option '-{}'\nA long name takes two dashes: --{}", name, name));
    }
    if (word.size() == 2 && option != nullptr) return take_option(*option, word, std::nullopt);
    if (option == nullptr) return fail(unknown("-" + name));
    if (is_flag(*option)) {
      for (const char letter : word.substr(1)) {
        const auto* other = find_short(letter);
        if (other == nullptr || !is_flag(*other)) return fail(unknown("-" + name));
        take_option(*other, std::string("-") + letter, std::nullopt);
      }
      return;
    }
    const auto kind = outline_of(*option).kind;
    const bool number = kind == ValueKind::kWhole || kind == ValueKind::kNumber;
    if (word[2] != '=' && !(number && !is_letter(word[2]))) return fail(unknown("-" + name));
    take_option(*option, word.substr(0, 2), word.substr(word[2] == '=' ? 3 : 2));
  }

  void take_option(const CLI::Option& option, const std::string& typed,
                   std::optional<std::string> value) {
    if (&option == command_.get_help_ptr() || &option == command_.get_help_all_ptr()) {
      help_ = typed;
      return;
    }
    const auto outline = outline_of(option);
    const auto& first = outline.names.front();
    last_ = {outline, typed, {}};
    remember(outline.names, typed);
    if (is_flag(option)) return take_flag(first, typed, value);
    if (!value) {
      const bool there = at_ + 1 < words_.size();
      if (!there || looks_like_option(words_[at_ + 1], outline.kind)) {
        return fail(
            missing_value(outline, typed, there ? std::optional(words_[at_ + 1]) : std::nullopt));
      }
      value = words_[++at_];
    }
    last_->value = *value;
    checked_.words.push_back(first);
    checked_.words.push_back(*value);
  }

  void take_flag(const std::string& first, const std::string& typed,
                 const std::optional<std::string>& value) {
    if (!value || is_one_of(kYes, lower(*value))) {
      checked_.words.push_back(first);
    } else if (is_one_of(kNo, lower(*value))) {
      checked_.words.push_back(first + "=false");
    } else {
      fail(fmt::format("{}: it takes no value, found '{}'\nGive {} alone, or leave it out.", typed,
                       *value, typed));
    }
  }

  void remember(const std::vector<std::string>& names, const std::string& typed) {
    // One option may set another: what is said of --W is said of --size.
    if (names.front() == "--size") {
      for (const char* side : {"W", "H"}) {
        const auto outline = outline_of(*find_long(side));
        const auto known = std::ranges::find(checked_.typed, outline.names, &TypedName::names);
        if (known == checked_.typed.end()) checked_.typed.push_back({outline.names, typed});
      }
    }
    std::erase_if(checked_.typed, [&](const TypedName& other) { return other.names == names; });
    checked_.typed.push_back({names, typed});
  }

  /// A text may begin with dashes, as long as it is no option of this command.
  bool looks_like_option(const std::string& word, ValueKind kind) const {
    if (word.size() < 2 || word[0] != '-') return false;
    const auto name = word.substr(0, word.find('='));
    if (word.starts_with("--")) {
      return find_long(name.substr(2)) != nullptr ||
             (kind != ValueKind::kText && word.size() > 2 && is_letter(word[2]));
    }
    if (name.size() != 2 || !is_letter(name[1])) return false;
    return find_short(name[1]) != nullptr ||
           !foreign_name_hint(name, settable_options(command_)).empty();
  }

  static std::string missing_value(const OptionOutline& option, const std::string& typed,
                                   const std::optional<std::string>& next) {
    if (!next) {
      return fmt::format("{}: its value is missing, nothing follows\nExpected {} {}", typed, typed,
                         option.value);
    }
    return fmt::format(
        "{}: its value is missing, '{}' is an option\nExpected {} {}; a value that begins with a "
        "dash is joined: {}={}",
        typed, *next, typed, option.value, typed, *next);
  }

  void take_positional(const std::string& word) {
    if (positionals_.size() < room_) {
      positionals_.push_back(word);
    } else if (trouble_.empty()) {
      loose_.push_back({word, last_});
    }
  }

  std::string unknown(const std::string& typed) const {
    const auto options = settable_options(command_);
    const auto text = fmt::format("unknown option '{}'", typed);
    if (const auto hint = foreign_name_hint(typed, options); !hint.empty()) return text + hint;
    if (const auto owners = others_that_have(typed); !owners.empty()) {
      return fmt::format("{}: it is one of {}, not of '{}'", text, fmt::join(owners, ", "),
                         full_name(command_));
    }
    const auto keys = names_of(options);
    const auto same = std::ranges::find_if(
        keys, [&](const std::string& key) { return lower(key) == lower(typed); });
    // -promt is compared as --promt; a letter alone is near everything.
    const auto wanted = typed.size() > 2 ? "--" + bare_name(typed) : typed;
    const auto nearest_one = same == keys.end() ? did_you_mean(wanted, keys)
                                                : fmt::format("\nDid you mean '{}'?", *same);
    // A task's command stands in a nameless program; sd-train has no such help.
    const auto* parent = command_.get_parent();
    const bool in_task = parent == nullptr || parent->get_name().empty();
    const bool has_all = in_task || command_.get_help_all_ptr() != nullptr;
    return fmt::format("{}{}\n'{} {}' lists all options.", text, nearest_one, full_name(command_),
                       has_all ? "--help-all" : "--help");
  }

  static std::vector<std::string> names_of(const std::vector<OptionOutline>& options) {
    auto names = keys_of(options);
    for (auto& name : names) name.insert(0, "--");
    return names;
  }

  /// "'sd img2img'", of the commands beside this one.
  std::vector<std::string> others_that_have(const std::string& typed) const {
    std::vector<std::string> owners;
    const auto* parent = command_.get_parent();
    if (parent == nullptr || !typed.starts_with("--")) return owners;
    for (const CLI::App* other : parent->get_subcommands([](const CLI::App*) { return true; })) {
      if (other == &command_ || other->get_option_no_throw(typed) == nullptr) continue;
      owners.push_back(fmt::format("'{}'", full_name(*other)));
    }
    return owners;
  }

  const CLI::App& command_;
  const AppOutline outline_;
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  std::size_t room_ = 0;  // for arguments that are no options
  bool positional_only_ = false;
  std::optional<std::string> help_;
  std::optional<GivenBefore> last_;  // the option before
  std::string trouble_;
  std::vector<std::string> positionals_;
  std::vector<LooseWord> loose_;
  CheckedWords checked_;
};

}  // namespace

CheckedWords check_words(const CLI::App& command, const std::vector<std::string>& words) {
  return WordWalk(command, words).walk();
}

TypedNames parse_words(CLI::App& app, CLI::App& command, const std::vector<std::string>& words) {
  auto checked = check_words(command, words);
  auto& list = checked.words;
  if (&app != &command) list.insert(list.begin(), command.get_name());
  std::ranges::reverse(list);  // as the parser wants them
  try {
    app.parse(std::move(list));
  } catch (const CLI::Success&) {
    throw;  // help and version
  } catch (const CLI::ParseError& error) {
    throw UsageError(respelled(error.what(), checked.typed));
  } catch (const UsageError& error) {
    throw UsageError(respelled(error.what(), checked.typed));
  }
  return checked.typed;
}

}  // namespace sd::cli
