#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace sd::cli {

/// Longest line of a prompt file that is read as a prompt, in bytes.
inline constexpr std::size_t kMaxPromptBytes = 100'000;
/// Most prompts a file may hold.
inline constexpr std::size_t kMaxPrompts = 1'000'000;

struct ListedPrompt {
  int64_t line = 0;  // from 1; 0 when the prompt was given as an option
  std::string text;
};

/// A line that cannot be a prompt.
struct BadLine {
  int64_t line = 0;
  std::string reason;
};

struct PromptList {
  std::vector<ListedPrompt> prompts;
  std::vector<BadLine> bad_lines;
};

/// Why `text` cannot be a prompt (too long, NUL bytes, not UTF-8); empty if it can.
std::string why_no_prompt(std::string_view text);

/// Reads a prompt a line. Empty lines and those that start with `#` are skipped; line ends may be
/// \n, \r\n or \r, and the text UTF-8, or UTF-16 or UTF-32 in either byte order (Utf8Reader).
/// Throws UsageError beyond kMaxPrompts.
PromptList parse_prompt_list(std::istream& input);

/// As above from a file, or from standard input for "-". Throws IoError if it cannot be read,
/// UsageError if it holds no usable prompt.
PromptList read_prompt_list(const std::string& from_file);

}  // namespace sd::cli
