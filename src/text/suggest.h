#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sd {

/// Fewest insertions, deletions, replacements and swaps of neighbours that turn `from` into `to`
/// (Damerau–Levenshtein, optimal string alignment).
std::size_t edit_distance(std::string_view from, std::string_view to);

/// The candidate somebody who typed `word` most likely meant: nearest by edits (a third of its
/// length at most), or the only one that starts with it. Dashes and underscores count as equal.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

/// "Did you mean 'x'?" on a line of its own, or nothing: to be appended to an error.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace sd
