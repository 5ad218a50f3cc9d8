#include "sd/image/infotext.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

namespace sd {
namespace {

constexpr std::string_view kNegativePrompt = "Negative prompt:";
constexpr std::string_view kStepsColon = "Steps:";
constexpr std::string_view kFurtherText = "Further text";
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
  // Beyond A1111's rule: quotes and blanks at the ends would be taken off again by readers, and
  // brackets may be taken for JSON.
  const bool ends =
      !value.empty() && (value.front() == '"' || value.front() == '[' || value.front() == '{' ||
                         is_space(value.front()) || is_space(value.back()));
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

/// Where the JSON list or object that begins at `at` ends (at the comma behind it, or the end), if
/// it ends with one.
std::optional<std::size_t> end_of_json(std::string_view line, std::size_t at) {
  if (at >= line.size() || (line[at] != '[' && line[at] != '{')) return std::nullopt;
  std::size_t depth = 0, end = at;
  bool text = false;
  do {
    const char c = line[end++];
    if (text) {
      end += c == '\\' ? 1 : 0;
      text = c != '"';
    } else if (c == '"') {
      text = true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  } while (depth > 0 && end < line.size());
  if (depth > 0 || end > line.size()) return std::nullopt;
  while (end < line.size() && is_space(line[end])) ++end;
  return end == line.size() || line[end] == ',' ? std::optional(end) : std::nullopt;
}

struct Found {
  std::size_t at;  // of the key in the line
  std::string key, value;
  std::size_t end;     // of the value
  bool whole = false;  // a string or JSON, whose commas are its own
};

/// All matches of \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$), A1111's own expression, by
/// hand: in time linear in the line's length, and without the recursion of std::regex that a long
/// prompt would turn into a stack overflow. Beyond it, JSON lists and objects are values as a
/// whole.
std::vector<Found> find_settings(std::string_view line) {
  std::vector<Found> settings;
  bool json = true;  // until brackets were found that are none: their search goes to the line's end
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
    auto end = end_of_quoted(line, value);
    const bool bracket = value < line.size() && (line[value] == '[' || line[value] == '{');
    if (json && bracket) {
      end = end_of_json(line, value);
      json = end.has_value();
    }
    const bool whole = end.has_value();
    if (!end) end = std::min(line.find(',', value), line.size());
    settings.push_back({at, std::string(line.substr(at, key_end - at)),
                        unquote(line.substr(value, *end - value)), *end, whole});
    at = *end + 1;
  }
  return settings;
}

/// The settings of a line and the prompt before them in it, where programs have made one line of
/// all.
struct SettingsLine {
  std::vector<Setting> settings;
  std::string_view before;
};

std::vector<Setting> settings_of(const std::vector<Found>& found) {
  std::vector<Setting> settings;
  for (const auto& [at, key, value, end, whole] : found) settings.emplace_back(key, value);
  return settings;
}

/// Whether "Steps: 20" begins `text`, and a comma or the end follows.
bool is_number_of_steps(std::string_view text) {
  text = strip(text.substr(kStepsColon.size()));
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  text = strip(text.substr(digits));
  return digits > 0 && (text.empty() || text.front() == ',');
}

/// Where the settings of a line begin behind the words of a prompt. Within strings of its settings
/// there is no prompt.
std::optional<std::size_t> find_steps(std::string_view line, const std::vector<Found>& found) {
  auto whole = found.begin();
  for (auto at = line.find(kStepsColon); at != line.npos; at = line.find(kStepsColon, at + 1)) {
    while (whole != found.end() && whole->end <= at) ++whole;
    const bool inside = whole != found.end() && whole->whole && whole->at + whole->key.size() < at;
    const bool begins = at > 0 && is_space(line[at - 1]);
    if (begins && !inside && is_number_of_steps(line.substr(at))) return at;
  }
  return std::nullopt;
}

/// Reads `line` as settings if it is more than likely that it holds some: it begins with one that
/// is known, or with a prompt that is followed by `Steps:`, which always come first.
std::optional<SettingsLine> read_settings_line(std::string_view line,
                                               const std::vector<Found>& found) {
  constexpr std::array<std::string_view, 8> kKnown = {"Steps", "Sampler",    "Seed",  "CFG scale",
                                                      "Size",  "Model hash", "Model", "Version"};
  if (found.size() < kFewestSettings) return std::nullopt;
  const bool known = std::ranges::find(kKnown, found.front().key) != kKnown.end();
  if (known && found.front().at == 0) return SettingsLine{settings_of(found), {}};
  const auto steps = find_steps(line, found);
  if (!steps) return std::nullopt;
  SettingsLine read{settings_of(find_settings(line.substr(*steps))), strip(line.substr(0, *steps))};
  return read.settings.size() < kFewestSettings ? std::nullopt : std::optional(std::move(read));
}

std::string_view last_line(std::string_view text) {
  const auto last_break = text.rfind('\n');
  return last_break == std::string_view::npos ? text : text.substr(last_break + 1);
}

void append_line(std::string& text, std::string_view line) {
  if (!text.empty()) text += '\n';
  text += line;
}

/// A line behind the settings, such as "Time taken: 10.7s, …", is one more; what has no key goes on
/// with the line before it.
void append_rest(std::string_view rest, std::vector<Setting>& settings) {
  const auto first = settings.size();
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto line = strip(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    std::size_t key_end = 0;
    if (is_word(line.front())) {
      while (key_end < line.size() && is_key(line[key_end])) ++key_end;
    }
    if (key_end >= 2 && key_end < line.size() && line[key_end] == ':') {
      settings.emplace_back(line.substr(0, key_end), strip(line.substr(key_end + 1)));
    } else if (settings.size() == first) {
      settings.emplace_back(kFurtherText, line);
    } else {
      append_line(settings.back().second, line);
    }
  }
}

/// What stands before the settings: the prompt, and behind its mark the negative prompt.
void read_prompts(std::string_view text, Infotext& info) {
  bool negative = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = strip(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!negative && line.starts_with(kNegativePrompt)) {
      negative = true;
      line = strip(line.substr(kNegativePrompt.size()));
    }
    append_line(negative ? info.negative_prompt : info.prompt, line);
  }
}

/// The same where lines were joined: the mark may stand within one.
void read_joined_prompts(std::string_view text, Infotext& info) {
  const auto mark = text.find(kNegativePrompt);
  const bool marked = mark != std::string_view::npos && mark > 0 && is_space(text[mark - 1]);
  if (!marked) return read_prompts(text, info);
  read_prompts(fmt::format("{}\n{}", strip(text.substr(0, mark)), text.substr(mark)), info);
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
  const auto last = strip(last_line(text));
  const auto found_last = find_settings(last);
  Infotext info;
  // Programs write lines behind the settings, so they are looked for from the last one up.
  for (auto whole = text; !whole.empty();) {
    const auto raw = last_line(whole);
    const auto line = strip(raw);
    const bool is_last = line.data() == last.data();
    const bool promising = is_last || line.find(kStepsColon) != std::string_view::npos;
    auto read = !promising ? std::nullopt
                           : read_settings_line(line, is_last ? found_last : find_settings(line));
    if (read && !is_last && !line.starts_with(kStepsColon) && read->before.empty()) read.reset();
    if (read) {
      info.settings = std::move(read->settings);
      append_rest(text.substr(whole.size()), info.settings);
      if (read->before.empty()) {
        whole.remove_suffix(std::min(whole.size(), raw.size() + 1));
        read_prompts(whole, info);
      } else {
        const auto before = static_cast<std::size_t>(read->before.data() - whole.data());
        read_joined_prompts(whole.substr(0, before + read->before.size()), info);
      }
      return info;
    }
    whole.remove_suffix(std::min(whole.size(), raw.size() + 1));
  }
  if (found_last.size() >= kFewestSettings) {  // A1111's own rule
    info.settings = settings_of(found_last);
    text.remove_suffix(std::min(text.size(), last_line(text).size() + 1));
  }
  read_prompts(text, info);
  return info;
}

}  // namespace sd
