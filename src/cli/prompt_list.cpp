#include "cli/prompt_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <istream>
#include <system_error>

#include "cli/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// One line of any length in bounded memory: `text` keeps what fits, `length` counts all.
struct Line {
  std::string text;
  std::size_t length = 0;
};

bool next_line(std::istream& input, Line& line) {
  constexpr int kEnd = std::istream::traits_type::eof();
  line = {};
  int character = input.rdbuf()->sbumpc();
  if (character == kEnd) return false;
  for (; character != kEnd && character != '\n'; character = input.rdbuf()->sbumpc()) {
    ++line.length;
    // One byte more than a prompt may have, so that a trailing \r does not make it too long.
    if (line.text.size() <= kMaxPromptBytes) line.text.push_back(static_cast<char>(character));
  }
  return true;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\v\f") == std::string_view::npos;
}

PromptList parse_named(std::istream& input, const std::string& name) {
  auto list = parse_prompt_list(input);
  if (list.prompts.empty()) {
    std::string message = fmt::format("--from-file: {} holds no prompt", name);
    if (!list.bad_lines.empty()) {
      const auto& bad = list.bad_lines.front();
      message = fmt::format("--from-file: {} holds no usable prompt: line {} {}", name, bad.line,
                            bad.reason);
    }
    throw UsageError(
        message +
        "\nIt should hold a prompt a line; empty lines and lines starting with # are skipped.");
  }
  return list;
}

}  // namespace

std::string why_no_prompt(std::string_view text) {
  if (text.size() > kMaxPromptBytes) {
    return fmt::format("is too long for a prompt: {} bytes, at most {}", text.size(),
                       kMaxPromptBytes);
  }
  if (text.find('\0') != std::string_view::npos) return "holds a NUL byte, so it is no text";
  if (!is_utf8(text)) return "is not UTF-8";
  return {};
}

PromptList parse_prompt_list(std::istream& input) {
  PromptList list;
  Line line;
  for (int64_t number = 1; next_line(input, line); ++number) {
    if (number == 1 && line.text.starts_with(kByteOrderMark))
      line.text.erase(0, kByteOrderMark.size());
    if (line.text.ends_with('\r')) line.text.pop_back();
    if (is_blank(line.text) || line.text.starts_with('#')) continue;
    std::string reason = why_no_prompt(line.text);
    if (line.length > kMaxPromptBytes + 1) {
      reason = fmt::format("is too long for a prompt: {} bytes, at most {}", line.length,
                           kMaxPromptBytes);
    }
    if (!reason.empty()) {
      list.bad_lines.push_back({number, std::move(reason)});
    } else {
      list.prompts.push_back({number, line.text});
    }
    if (list.prompts.size() + list.bad_lines.size() > kMaxPrompts) {
      throw UsageError(fmt::format("--from-file: more than {} prompts", kMaxPrompts));
    }
  }
  return list;
}

PromptList read_prompt_list(const std::string& from_file) {
  if (from_file == "-") return parse_named(std::cin, "standard input");
  std::error_code ignored;
  if (std::filesystem::is_directory(from_file, ignored)) {
    throw IoError(fmt::format(
        "--from-file: {} is a folder, expected a text file with a prompt a line", from_file));
  }
  std::ifstream input(from_file, std::ios::binary);
  if (!input)
    throw IoError(fmt::format("--from-file: cannot read {}: {}", from_file, std::strerror(errno)));
  return parse_named(input, from_file);
}

}  // namespace sd::cli
