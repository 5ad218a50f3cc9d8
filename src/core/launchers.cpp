#include "core/launchers.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <system_error>

#include "sd/core/error.h"

namespace sd {

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int64_t> launcher_variable(const char* name, int64_t least, std::string_view advice) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const auto number = whole_number(text);
  if (number && *number >= least && *number <= INT32_MAX) return number;
  throw UsageError(
      fmt::format("{}: '{}' is not a whole number from {} on\n{}", name, text, least, advice));
}

std::optional<int64_t> local_rank() {
  for (const auto& launcher : kLaunchers) {
    const auto rank = launcher_variable(
        launcher.local_rank, 0,
        "It should say which GPU of this machine is this process's; --device cuda:N says it too.");
    if (rank) return rank;
  }
  return std::nullopt;
}

}  // namespace sd
