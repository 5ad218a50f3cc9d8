#include "cli/options/option_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number number{};
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (text.size() > 1 && text[0] == '+' && text[1] != '-')
    ++begin;  // from_chars knows no plus sign
  const auto [stopped, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

}  // namespace

int64_t parse_whole(const std::string& option, const std::string& text, Range<int64_t> range) {
  const auto number = parse_number<int64_t>(text);
  if (number && *number >= range.least && *number <= range.most) return *number;
  throw UsageError(fmt::format("{}: '{}' is not a whole number from {} to {}", option, text,
                               range.least, range.most));
}

double parse_real(const std::string& option, const std::string& text, Range<double> range) {
  const auto number = parse_number<double>(text);
  if (number && std::isfinite(*number) && *number >= range.least && *number <= range.most)
    return *number;
  throw UsageError(fmt::format("{}: '{}' is not a number from {} to {}", option, text,
                               number_text(range.least), number_text(range.most)));
}

void throw_empty_path(const std::string& option) {
  throw UsageError(fmt::format("{}: the path is empty", option));
}

void reject_word(const std::string& option, const std::string& word,
                 const std::vector<std::string>& known) {
  throw UsageError(fmt::format("{}: '{}' is none of {}{}", option, word, fmt::join(known, ", "),
                               did_you_mean(word, known)));
}

std::string words_type(const std::vector<std::string>& words) {
  return fmt::format("{{{}}}", fmt::join(words, ","));
}

nlohmann::ordered_json file_name(const std::optional<std::filesystem::path>& path) {
  return path ? nlohmann::ordered_json(path->filename().string()) : nlohmann::ordered_json();
}

nlohmann::ordered_json steps_json(const AttnSteps& steps) {
  return nlohmann::ordered_json::array({steps.begin, steps.end});
}

OptionValue parsed(std::string type,
                   std::function<void(DrawOptions&, const std::string&, const std::string&)> read) {
  return {.type = std::move(type), .read = std::move(read)};
}

OptionValue repeated(
    std::string type,
    std::function<void(DrawOptions&, const std::string&, const std::string&)> read) {
  return {.type = std::move(type), .repeated = true, .read = std::move(read)};
}

}  // namespace sd::cli
