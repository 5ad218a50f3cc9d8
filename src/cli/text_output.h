#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace sd::cli {

/// Bytes of the well-formed UTF-8 character that starts at `text[at]`, 0 if there is none (RFC
/// 3629: no overlong forms, no surrogates, at most U+10FFFF).
std::size_t utf8_character(std::string_view text, std::size_t at);

bool is_utf8(std::string_view text);

/// `text` with everything that could steer a terminal (control characters but newline and tab,
/// broken UTF-8, characters that reorder text) written as \xNN: what files say is printed, never
/// obeyed.
std::string printable(std::string_view text);

/// At most `characters` characters of `text` on one line, the rest replaced by "…".
std::string shorten(std::string_view text, std::size_t characters);

/// "1 picture", "3 pictures".
std::string counted(std::size_t count, std::string_view noun);

/// Writes `sd: message` to stderr; further lines are hints and are indented.
void print_message(std::string_view message);

/// Writes lines to stdout. A reader that went away (`sd … | head`) is no error: what follows is
/// dropped silently. Throws IoError if stdout cannot be written for another reason (a full disk).
class StandardOutput {
 public:
  void line(std::string_view text);

 private:
  bool reader_gone_ = false;
};

/// Runs `command` and returns its exit code. Whatever it throws is put into `message` and turned
/// into the code of the error. `verbose` keeps unexpected errors whole, where LibTorch appends a
/// stack to the first line.
int run_caught(const std::function<int()>& command, bool verbose, std::string& message) noexcept;

/// The same for a whole program: what `command` throws is printed.
int run_guarded(const std::function<int()>& command, bool verbose) noexcept;

}  // namespace sd::cli
