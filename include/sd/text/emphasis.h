#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// What begins a new chunk.
inline constexpr std::string_view kBreakWord = "BREAK";

/// A stretch of a prompt and how strongly it is meant.
struct WeightedText {
  std::string text;  // without the brackets and weights around it, escapes undone
  double weight = 1;
  bool break_here = false;  // the word BREAK: what follows begins a new chunk; text is empty then
  /// Where each byte of `text` stands in the prompt, and behind the last one.
  std::vector<std::size_t> origin;
};

/// AUTOMATIC1111's emphasis: "(text)" is 1.1 times stronger, "[text]" 1.1 times weaker,
/// "(text:1.3)" 1.3 times stronger, nested ones multiply; a backslash takes brackets and itself
/// literally. What is no weight stays text ("(a:x)" is "a:x" at 1.1), and a bracket that is never
/// closed holds to the end, as there. Neighbours of equal weight are one stretch; an empty prompt
/// is one empty stretch.
std::vector<WeightedText> parse_emphasis(std::string_view prompt);

/// What a prompt says to people: its stretches without markup, BREAK as a space.
std::string plain_text(const std::vector<WeightedText>& stretches);

}  // namespace sd
