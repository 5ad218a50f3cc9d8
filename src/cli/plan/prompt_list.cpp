#include "cli/plan/prompt_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <istream>

#include "cli/plan/list_input.h"
#include "cli/shell/text_output.h"
#include "core/text_encoding.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

// What never ends, such as /dev/zero or `yes ""`, is given up at one of these: a line's length, and
// how many lines and bytes there are in all, prompts or not.
constexpr std::size_t kMaxLineBytes = 16 << 20;
constexpr int64_t kMaxLines = 10 * static_cast<int64_t>(kMaxPrompts);
constexpr std::size_t kMaxBytes = std::size_t{4} << 30;

/// One line of any length in bounded memory: `text` keeps what fits, `length` counts all.
struct Line {
  std::string text;
  std::size_t length = 0;
};

/// Divides a text into lines, each ended by \n, \r\n or \r alone, also mixed.
class LineReader {
 public:
  explicit LineReader(std::istream& input)
      : bytes_([&input] { return input.rdbuf()->sbumpc(); }), next_(bytes_.next()) {}

  bool next(Line& line) {
    line = {};
    if (next_ == Utf8Reader::kEnd) return false;
    if (++lines_ > kMaxLines) fail("more than", kMaxLines, "lines");
    for (; next_ != Utf8Reader::kEnd && next_ != '\n' && next_ != '\r'; next_ = bytes_.next()) {
      if (++line.length > kMaxLineBytes)
        fail(fmt::format("line {} is longer than", lines_), kMaxLineBytes, "bytes");
      if (line.text.size() <= kMaxPromptBytes) line.text.push_back(static_cast<char>(next_));
    }
    const bool returned = next_ == '\r';
    total_ += line.length;
    if (total_ > kMaxBytes) fail("more than", kMaxBytes, "bytes");
    if (next_ != Utf8Reader::kEnd) next_ = bytes_.next();
    if (returned && next_ == '\n') next_ = bytes_.next();
    return true;
  }

  TextEncoding encoding() const { return bytes_.encoding(); }

 private:
  static_assert(Utf8Reader::kEnd == std::istream::traits_type::eof());

  template <typename Number>
  [[noreturn]] static void fail(std::string_view what, Number most, std::string_view of) {
    throw UsageError(
        fmt::format("--from-file: {} {} {}: this is no list of prompts, or one that never ends",
                    what, most, of));
  }

  Utf8Reader bytes_;
  int next_;
  int64_t lines_ = 0;
  std::size_t total_ = 0;
};

std::string too_long(std::size_t bytes) {
  return fmt::format("is too long for a prompt: {} bytes, at most {}", bytes, kMaxPromptBytes);
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\v\f") == std::string_view::npos;
}

PromptList parse_named(std::istream& input, const std::string& name) {
  PromptList list;
  try {
    list = parse_prompt_list(input);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}\nThe list is read from {}.", error.what(), name));
  }
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
  if (text.size() > kMaxPromptBytes) return too_long(text.size());
  if (text.find('\0') != std::string_view::npos) return "holds a NUL byte, so it is no text";
  if (!is_utf8(text)) return "is not UTF-8";
  return {};
}

PromptList parse_prompt_list(std::istream& input) {
  PromptList list;
  LineReader lines(input);
  Line line;
  for (int64_t number = 1; lines.next(line); ++number) {
    if (is_blank(line.text) || line.text.starts_with('#')) continue;
    std::string reason;
    if (line.length > kMaxPromptBytes) {
      reason = too_long(line.length);
    } else if (lines.encoding() != TextEncoding::kUtf8 && !is_utf8(line.text)) {
      reason = fmt::format("is not {}", name_of(lines.encoding()));
    } else {
      reason = why_no_prompt(line.text);
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

PromptList read_prompt_list(const std::string& from_file, bool quiet) {
  ListInput input(from_file, quiet);
  return parse_named(input.stream(), from_file == "-" ? "standard input" : from_file);
}

PromptList read_prompt_list(const std::string& from_file) {
  return read_prompt_list(from_file, /*quiet=*/false);
}

}  // namespace sd::cli
