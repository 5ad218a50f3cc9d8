#include "cli/parser/loose_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <system_error>

#include "cli/shell/shell_words.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

/// `text` as one word of a shell, in double quotes where they are enough.
std::string in_quotes(const std::string& text) {
  const bool plain = text.find_first_of("\"\\$`!\n") == std::string::npos;
  return plain ? fmt::format("\"{}\"", text) : shell_line({text});
}

/// The same without quotes where none are needed.
std::string as_word(const std::string& text) { return shell_line({text}); }

std::string ending_of(const std::string& word) {
  auto ending = fs::path(word).extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending;
}

template <std::size_t N>
bool is_one_of(const std::string& word, const std::array<std::string_view, N>& list) {
  return std::ranges::find(list, word) != list.end();
}

bool has(const CLI::App& command, const char* option) {
  return command.get_option_no_throw(option) != nullptr;
}

/// Where a file belongs, by its ending, and a folder that is there; empty if the word is neither.
std::string file_hint(const CLI::App& command, const std::string& word) {
  constexpr std::array<std::string_view, 8> kPictures = {".png", ".jpg",  ".jpeg", ".webp",
                                                         ".bmp", ".tiff", ".gif",  ".avif"};
  constexpr std::array<std::string_view, 6> kWeights = {".ckpt", ".safetensors", ".gguf",
                                                        ".pt",   ".pth",         ".bin"};
  constexpr std::array<std::string_view, 4> kLists = {".txt", ".json", ".jsonl", ".tsv"};
  const auto ending = ending_of(word);
  const auto name = command.get_name();
  const auto file = as_word(word);
  if (is_one_of(ending, kPictures)) {
    if (has(command, "--init-img")) {
      return fmt::format("A picture to start from is named by its option: sd {} --init-img {}",
                         name, file);
    }
    return fmt::format(
        "To start from a picture: sd img2img --init-img {}; to see how it was made: sd info {}",
        file, file);
  }
  if (is_one_of(ending, kWeights)) return fmt::format("Weights are named by --ckpt {}", file);
  if (is_one_of(ending, kLists))
    return fmt::format("A list of prompts is named by --from-file {}", file);
  if (ending == ".yaml") return fmt::format("A configuration is named by --config {}", file);
  std::error_code ignored;
  if (!fs::is_directory(word, ignored)) return {};
  const auto saved = has(command, "--from") ? fmt::format(", saved maps --from {}", file) : "";
  return fmt::format("A folder of weights is named by --ckpt {}, one to write to by --outdir {}{}",
                     file, file, saved);
}

/// Of a text that was in quotes the next word is no part.
bool was_quoted(const GivenBefore& before, const std::string& word) {
  return before.option.kind == ValueKind::kText &&
         (before.value.find(' ') != std::string::npos || word.find(' ') != std::string::npos);
}

/// A text behind a text that is whole.
std::string second_text_hint(const CLI::App& command, const GivenBefore& before,
                             const std::string& word) {
  if (has(command, "--sprompt")) {
    const bool source = bare_name(before.option.names.front()) == "sprompt";
    return fmt::format("{} is named by its option: {} {}", source ? "The target" : "The source",
                       source ? "--prompt" : "--sprompt", in_quotes(word));
  }
  return fmt::format("{} takes one text. Several prompts: a line each in a list for --from-file.",
                     before.typed);
}

/// What the option before says about a word that it did not take; empty if nothing.
std::string option_hint(const GivenBefore& before, const std::string& word,
                        const std::string& all_words) {
  const auto& [option, typed, value] = before;
  constexpr std::array<std::string_view, 8> kSwitches = {"true", "false", "True", "False",
                                                         "1",    "0",     "yes",  "no"};
  if (option.kind == ValueKind::kFlag) {
    if (!is_one_of(word, kSwitches)) return {};
    return fmt::format("{} takes no value: give it alone, or leave it out.", typed);
  }
  if (option.kind == ValueKind::kText) {
    return fmt::format("Text with spaces needs quotes: {} {}", typed,
                       in_quotes(value + " " + all_words));
  }
  if (option.value == "LIST") {
    return fmt::format("A list is one word with commas: {} {},{}", typed, as_word(value),
                       as_word(word));
  }
  if (option.repeated) {
    return fmt::format("Give {} again for each: {} {} {} {}", typed, typed, as_word(value), typed,
                       as_word(word));
  }
  return {};
}

/// Words of a swap: the source first, as it is drawn first.
std::string pair_hint(const CLI::App& command, const std::vector<LooseWord>& words) {
  const bool two = words.size() > 1;
  return fmt::format("The source is --sprompt, the target --prompt: sd {} --sprompt {} --prompt {}",
                     command.get_name(), in_quotes(words[0].word),
                     two ? in_quotes(words[1].word) : "\"…\"");
}

}  // namespace

std::string loose_trouble(const CLI::App& command, const std::vector<LooseWord>& words) {
  const auto& first = words.front();
  const auto text = fmt::format("unexpected argument '{}'\n", first.word);
  if (!has(command, "--prompt")) {
    const auto positionals = outline_of(command).positionals;
    std::string takes = "no arguments";
    for (std::size_t i = 0; i < positionals.size(); ++i)
      takes = fmt::format("{}{}", i == 0 ? "" : takes + " ", positionals[i].names.front());
    return text + fmt::format("'sd {}' takes {}.", command.get_name(), takes);
  }
  if (const auto hint = file_hint(command, first.word); !hint.empty()) return text + hint;
  // Those in a row belong together.
  std::string row;
  for (const auto& [word, before] : words) {
    if (before.has_value() != first.before.has_value()) break;
    if (before && (before->typed != first.before->typed || before->value != first.before->value))
      break;
    row += (row.empty() ? "" : " ") + word;
  }
  if (first.before && was_quoted(*first.before, first.word))
    return text + second_text_hint(command, *first.before, first.word);
  if (first.before) {
    if (const auto hint = option_hint(*first.before, first.word, row); !hint.empty())
      return text + hint;
  }
  const bool swaps = has(command, "--sprompt");
  if (swaps && !first.before) return text + pair_hint(command, words);
  auto hint =
      fmt::format("Text to draw is named by its option, in quotes: --prompt {}", in_quotes(row));
  if (swaps) hint += ", the source by --sprompt";
  if (first.before && first.before->option.kind != ValueKind::kFlag) {
    hint = fmt::format("{} takes one value, '{}'.\n{}", first.before->typed, first.before->value,
                       hint);
  }
  return text + hint;
}

}  // namespace sd::cli
