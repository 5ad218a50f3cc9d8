#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// Text that came from a prompt, byte by byte.
struct SourcedText {
  std::string text;
  std::vector<std::size_t> origin;  // where each byte of `text` stands in the prompt

  bool operator==(const SourcedText&) const = default;
};

/// All of a prompt, from its first byte on.
SourcedText as_sourced(std::string_view prompt);

/// What a prompt is from a step on.
struct ScheduledText {
  int64_t first_step = 0;
  SourcedText prompt;
};

/// AUTOMATIC1111's prompt editing: "[a:b:0.5]" is a for the first int(0.5 · steps) steps and b for
/// the rest, "[a:b:12]" changes after 12 steps, "[b:0.5]" and "[a::0.5]" add and remove; "[a|b|c]"
/// goes round from step to step. They nest, inside emphasis too, which is left as it is. What is
/// none of these stays text. Returns one entry for each change, the first at step 0. Throws
/// UsageError unless 1 <= steps.
std::vector<ScheduledText> schedule_prompt(std::string_view prompt, int64_t steps);

/// What stands between prompts that are drawn together.
inline constexpr std::string_view kComposingWord = "AND";

/// One of several prompts that are drawn together.
struct ComposedPrompt {
  SourcedText prompt;
  double weight = 1;
};

/// "a cat AND a dog :1.2": prompts whose guidance is added up, with weights (composable diffusion,
/// arXiv:2206.01714, as AUTOMATIC1111 writes it). One entry where there is no AND as a word of its
/// own.
std::vector<ComposedPrompt> split_composition(std::string_view prompt);

}  // namespace sd
