#include "cli/text_output.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <ios>
#include <new>

#include "sd/core/error.h"

namespace sd::cli {
namespace {

uint8_t byte_at(std::string_view text, std::size_t at) { return static_cast<uint8_t>(text[at]); }

char32_t decode(std::string_view character) {
  static constexpr uint8_t kLeadBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t code = byte_at(character, 0) & kLeadBits[character.size()];
  for (std::size_t i = 1; i < character.size(); ++i)
    code = (code << 6) | (byte_at(character, i) & 0x3F);
  return code;
}

/// Terminals act on C0 and C1 controls; the bidirectional ones can make a line read as another.
bool steers_terminal(char32_t code) {
  const bool control =
      (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0);
  const bool reorders = (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
  return control || reorders;
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

std::size_t utf8_character(std::string_view text, std::size_t at) {
  if (at >= text.size()) return 0;
  const uint8_t lead = byte_at(text, at);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte_at(text, at + i) & 0xC0) != 0x80) return 0;
  }
  const char32_t code = decode(text.substr(at, length));
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_character(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_character(text, at);
    const std::string_view character = text.substr(at, length == 0 ? 1 : length);
    if (length == 0 || steers_terminal(decode(character))) {
      for (const char byte : character)
        safe += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
    } else {
      safe += character;
    }
    at += character.size();
  }
  return safe;
}

std::string shorten(std::string_view text, std::size_t characters) {
  std::string short_text;
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    if (count == characters) return short_text + "…";
    const std::size_t length = utf8_character(text, at);
    const bool line_break = text[at] == '\n' || text[at] == '\r' || text[at] == '\t';
    short_text += line_break ? std::string_view(" ") : text.substr(at, length == 0 ? 1 : length);
    at += length == 0 ? 1 : length;
  }
  return short_text;
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

void print_message(std::string_view message) {
  std::string text = "sd: ";
  for (const char character : printable(message)) {
    text += character;
    if (character == '\n') text += "    ";
  }
  text += '\n';
  std::fwrite(text.data(), 1, text.size(),
              stderr);  // one call: lines of several processes do not mix
}

void StandardOutput::line(std::string_view text) {
  if (reader_gone_) return;
  const std::string whole = std::string(text) + '\n';
  errno = 0;
  const bool written = std::fwrite(whole.data(), 1, whole.size(), stdout) == whole.size();
  if (written && std::fflush(stdout) == 0) return;
  if (errno != EPIPE)
    throw IoError(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  reader_gone_ = true;
}

int run_caught(const std::function<int()>& command, bool verbose, std::string& message) noexcept {
  const auto fail = [&message](const std::string& text, ExitCode code) {
    message = text;
    return static_cast<int>(code);
  };
  try {
    return command();
  } catch (const Error& error) {
    return fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail("out of memory\nTry fewer or smaller pictures at a time.", ExitCode::kMemory);
    // The standard library's own words, where a disk fails in the midst.
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(fmt::format("reading or writing failed: {}", error.what()), ExitCode::kInputOutput);
  } catch (const std::ios_base::failure& error) {
    return fail(fmt::format("reading or writing failed: {}", error.what()), ExitCode::kInputOutput);
  } catch (const std::exception& error) {
    const std::string what = verbose ? error.what() : first_line(error.what());
    return fail(fmt::format("unexpected error: {}", what), ExitCode::kFailed);
  } catch (...) {
    return fail("unexpected error of unknown kind", ExitCode::kFailed);
  }
}

int run_guarded(const std::function<int()>& command, bool verbose) noexcept {
  std::string message;
  const int code = run_caught(command, verbose, message);
  if (!message.empty()) print_message(message);
  return code;
}

}  // namespace sd::cli
