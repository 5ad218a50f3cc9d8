#include "text/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace sd {
namespace {

constexpr std::size_t kMaxWord = 64;  // longer words are no slips of a finger

std::string with_dashes(std::string_view text) {
  std::string dashed(text);
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  return dashed;
}

std::optional<std::string> only_one_that_starts_with(const std::string& word,
                                                     std::span<const std::string> candidates) {
  if (word.size() < 3) return std::nullopt;
  std::optional<std::string> found;
  for (const auto& candidate : candidates) {
    if (!with_dashes(candidate).starts_with(word)) continue;
    if (found) return std::nullopt;
    found = candidate;
  }
  return found;
}

}  // namespace

std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> two_back(to.size() + 1);
  std::vector<std::size_t> previous(to.size() + 1);
  std::vector<std::size_t> current(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = previous[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
        current[j] = std::min(current[j], two_back[j - 2] + 1);
      }
    }
    std::swap(two_back, previous);
    std::swap(previous, current);
  }
  return previous[to.size()];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  if (word.empty() || word.size() > kMaxWord) return std::nullopt;
  const std::string typed = with_dashes(word);
  const std::size_t letters = typed.size() - std::min(typed.find_first_not_of('-'), typed.size());
  std::optional<std::string> best;
  std::size_t fewest = std::max<std::size_t>(1, letters / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(typed, with_dashes(candidate));
    if (distance < fewest) {
      fewest = distance;
      best = candidate;
    }
  }
  return best ? best : only_one_that_starts_with(typed, candidates);
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const auto candidate = nearest(word, candidates);
  return candidate ? fmt::format("\nDid you mean '{}'?", *candidate) : std::string();
}

}  // namespace sd
