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

/// How much of a name, a path or a value from a file people are shown; JSON has all of it.
inline constexpr std::size_t kMostShown = 200;

/// `text` for people, line breaks and all: what is behind the first `characters` of it becomes
/// "… (1048576 characters)", which tells how many there are.
std::string cut_text(std::string_view text, std::size_t characters = kMostShown);

/// "1 picture", "3 pictures".
std::string counted(std::size_t count, std::string_view noun);

/// Writes `sd: message` to stderr; further lines are hints and are indented. Names and paths longer
/// than kMostShown are cut.
void print_message(std::string_view message);

/// Writes lines to stdout. stdout may take no more: its reader went away, as in `sd … | head`, or
/// its disk is full. The lines that follow are then dropped and the work goes on. `output_error`
/// remembers it, and conclude_output tells it when the program ends.
class StandardOutput {
 public:
  void line(std::string_view text);
};

/// errno of the first line that stdout did not take, of this half of the program; 0 if it took all.
int output_error() noexcept;

/// Runs `command` and returns its exit code. Whatever it throws is put into `message` and turned
/// into the code of the error. `verbose` keeps unexpected errors whole, where LibTorch appends a
/// stack to the first line.
int run_caught(const std::function<int()>& command, bool verbose, std::string& message) noexcept;

/// The same for a whole program: what `command` throws is printed.
int run_guarded(const std::function<int()>& command, bool verbose) noexcept;

}  // namespace sd::cli
