#include "cli/shell/text_output.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <ios>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "cli/shell/cut_words.h"
#include "cli/shell/memory_reserve.h"
#include "cli/shell/memory_words.h"
#include "core/memory_failure.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"

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

/// Where the first `characters` characters of `text` end.
std::size_t end_of(std::string_view text, std::size_t characters) {
  std::size_t at = 0;
  for (std::size_t count = 0; at < text.size() && count < characters; ++count)
    at += std::max<std::size_t>(utf8_character(text, at), 1);
  return at;
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count)
    at += std::max<std::size_t>(utf8_character(text, at), 1);
  return count;
}

/// 0, or the errno of what kept some of it from being written. Waits where a descriptor that others
/// made non-blocking is full.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd full{descriptor, POLLOUT, 0};
      ::poll(&full, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

std::atomic<int> first_output_error = 0;

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

std::string cut_text(std::string_view text, std::size_t characters) {
  const auto end = end_of(text, characters);
  if (end == text.size()) return std::string(text);
  return fmt::format("{}… ({} characters)", text.substr(0, end), count_characters(text));
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

void print_message(std::string_view message) {
  std::string text = "sd: ";
  for (const char character : cut_words(printable(message))) {
    text += character;
    if (character == '\n') text += "    ";
  }
  text += '\n';
  write_all(STDERR_FILENO, text);  // one call: lines of several processes do not mix
}

void StandardOutput::line(std::string_view text) {
  if (first_output_error != 0) return;
  if (const int error = write_all(STDOUT_FILENO, std::string(text) + '\n'))
    first_output_error = error;
}

int output_error() noexcept { return first_output_error; }

namespace {

constexpr const char* kOutOfMemory = "out of memory";

/// The code and words of what was thrown.
struct Failure {
  ExitCode code = ExitCode::kFailed;
  std::string text;
};

/// Of an error of ours. Some say in words only that the kernel had no memory for them.
Failure failure_of(const Error& error) {
  const bool plain = error.code() == ExitCode::kFailed || error.code() == ExitCode::kInputOutput;
  const bool memory = plain && tells_of_memory(error.what());
  return {memory ? ExitCode::kMemory : error.code(), error.what()};
}

/// Of the standard library's words where a disk fails, or where the kernel has no memory for it.
Failure disk_failure(const std::system_error& error) {
  if (means_no_memory(error.code().value()) || tells_of_memory(error.what())) {
    return {ExitCode::kMemory, fmt::format("{}: {}", kOutOfMemory, error.what())};
  }
  return {ExitCode::kInputOutput, fmt::format("reading or writing failed: {}", error.what())};
}

/// Of the exception that is being handled.
Failure current_failure(bool verbose) {
  try {
    throw;
  } catch (const Error& error) {
    return failure_of(error);
  } catch (const std::bad_alloc&) {
    return {ExitCode::kMemory, kOutOfMemory};
  } catch (const std::length_error&) {
    return {ExitCode::kMemory, kOutOfMemory};  // a size that no memory holds
    // The standard library's own words, where a disk fails in the midst.
  } catch (const std::filesystem::filesystem_error& error) {
    return disk_failure(error);
  } catch (const std::ios_base::failure& error) {
    return disk_failure(error);
  } catch (const std::exception& error) {
    const auto* system = dynamic_cast<const std::system_error*>(&error);
    const bool memory = (system != nullptr && means_no_memory(system->code().value())) ||
                        tells_of_memory(error.what());
    const std::string what = verbose ? error.what() : first_line(error.what());
    if (memory) return {ExitCode::kMemory, fmt::format("{}: {}", kOutOfMemory, what)};
    return {ExitCode::kFailed, fmt::format("unexpected error: {}", what)};
  } catch (...) {
    return {ExitCode::kFailed, "unexpected error of unknown kind"};
  }
}

}  // namespace

int run_caught(const std::function<int()>& command, bool verbose, std::string& message) noexcept {
  MemoryReserve reserve;
  std::optional<MappedFilesWatch> files;
  try {
    files.emplace();
    return command();
  } catch (...) {
    reserve.release();
    try {
      auto failure = current_failure(verbose);
      // What does not hold still is read as damaged, or as weights of no sense.
      auto changed =
          failure.code == ExitCode::kInterrupted || !files ? std::nullopt : files->change();
      if (changed) failure = {ExitCode::kInputOutput, std::move(*changed)};
      message = std::move(failure.text);
      if (failure.code == ExitCode::kMemory) message = with_memory_advice(std::move(message));
      return static_cast<int>(failure.code);
    } catch (const std::exception&) {
      message = kOutOfMemory;  // short enough to need none
      return static_cast<int>(ExitCode::kMemory);
    }
  }
}

int run_guarded(const std::function<int()>& command, bool verbose) noexcept {
  std::string message;
  const int code = run_caught(command, verbose, message);
  if (!message.empty()) print_message(message);
  return code;
}

}  // namespace sd::cli
