#include "sd/image/infotext.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace sd {
namespace {

constexpr std::string_view kNegativePrompt = "Negative prompt:";
constexpr std::size_t kFewestSettings = 3;  // in a last line that is no prompt

using Setting = std::pair<std::string, std::string>;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// \w of a regular expression over Unicode; bytes of UTF-8 sequences count as letters.
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<uint8_t>(c) >= 0x80;
}

bool is_key(char c) { return is_word(c) || c == ' ' || c == '-' || c == '/'; }

std::string_view strip(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string quote(const std::string& value) {
  const bool special = value.find_first_of(",:\n\r") != std::string::npos;
  // Beyond A1111's rule: quotes and blanks at the ends would be taken off again by readers.
  const bool ends =
      !value.empty() && (value.front() == '"' || is_space(value.front()) || is_space(value.back()));
  if (!special && !ends) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string unquote(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
  const auto parsed = nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
  return parsed.is_string() ? parsed.get<std::string>() : std::string(value);
}

/// Where the string literal that begins at `at` ends (behind its quote), if it is followed by a
/// comma or the end.
std::optional<std::size_t> end_of_quoted(std::string_view line, std::size_t at) {
  if (at >= line.size() || line[at] != '"') return std::nullopt;
  std::size_t end = at + 1;
  while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
  const bool empty = end == at + 1;
  if (empty || end >= line.size()) return std::nullopt;
  ++end;
  return end == line.size() || line[end] == ',' ? std::optional(end) : std::nullopt;
}

/// All matches of \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$), A1111's own expression, by
/// hand: in time linear in the line's length, and without the recursion of std::regex that a long
/// prompt would turn into a stack overflow.
std::vector<Setting> find_settings(std::string_view line) {
  std::vector<Setting> settings;
  std::size_t at = 0;
  while (at < line.size()) {
    if (!is_word(line[at])) {
      ++at;
      continue;
    }
    std::size_t key_end = at;
    while (key_end < line.size() && is_key(line[key_end])) ++key_end;
    if (key_end == line.size() || line[key_end] != ':' || key_end - at < 2) {
      at = key_end;  // no later start within these letters can match either
      continue;
    }
    std::size_t value = key_end + 1;
    while (value < line.size() && is_space(line[value])) ++value;
    const auto end =
        end_of_quoted(line, value).value_or(std::min(line.find(',', value), line.size()));
    settings.emplace_back(line.substr(at, key_end - at), unquote(line.substr(value, end - value)));
    at = end + 1;
  }
  return settings;
}

void append_line(std::string& text, std::string_view line) {
  if (!text.empty()) text += '\n';
  text += line;
}

}  // namespace

// {fmt} follows the same rule as Python: the shortest digits that read back the same, an exponent
// below 1e-4 and from 1e16.
std::string number_text(double value) { return fmt::format("{}", value); }

std::string format_infotext(const Infotext& info) {
  std::string text = info.prompt;
  if (!info.negative_prompt.empty())
    text += fmt::format("\n{} {}", kNegativePrompt, info.negative_prompt);
  std::string line;
  for (const auto& [key, value] : info.settings) {
    line += fmt::format("{}{}: {}", line.empty() ? "" : ", ", key, quote(value));
  }
  return line.empty() ? text : text + '\n' + line;
}

Infotext parse_infotext(std::string_view text) {
  text = strip(text);
  Infotext info;
  const auto last_break = text.rfind('\n');
  const auto last_line = last_break == std::string_view::npos ? text : text.substr(last_break + 1);
  info.settings = find_settings(last_line);
  if (info.settings.size() < kFewestSettings) {
    info.settings.clear();
  } else {
    text = text.substr(0, text.size() - last_line.size());
    if (text.ends_with('\n')) text.remove_suffix(1);
  }
  bool negative = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = strip(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with(kNegativePrompt)) {
      negative = true;
      line = strip(line.substr(kNegativePrompt.size()));
    }
    append_line(negative ? info.negative_prompt : info.prompt, line);
  }
  return info;
}

}  // namespace sd
