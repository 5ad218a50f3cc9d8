#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/text/network_tags.h"
#include "sd/text/prompt_schedule.h"
#include "sd/text/tokenizer.h"

namespace sd {

/// How prompts are read.
enum class PromptSyntax {
  kAuto,   // kA1111 where a prompt has brackets, a backslash, BREAK or AND, kPlain elsewhere
  kPlain,  // as the original scripts: every character is text, what does not fit is cut off
  kA1111,  // AUTOMATIC1111's emphasis, prompt editing and chunks
};
// In kAuto and kA1111, tags of extra networks (network_tags.h) are no text.

/// What a prompt is from a step on.
struct PromptVariant {
  int64_t first_step = 0;
  TokenizedPrompt tokens;      // all chunks one behind the other
  std::vector<float> weights;  // of each id; 1 everywhere in a plain prompt
  int64_t chunks = 1;          // of Tokenizer::length() ids each, as the text encoder reads them
};

/// One of the prompts that AND puts together; most prompts have one part, themselves.
struct PromptPart {
  double weight = 1;
  std::vector<PromptVariant> variants;  // one for each change, the first at step 0
};

/// Reads prompts by a syntax, and stands in for the tokenizer wherever words are looked for. A
/// prompt of the A1111 syntax is laid out in chunks as that program does it. A chunk has 75 tokens;
/// it ends behind a comma if there is one among its last 20 tokens, at BREAK, and before an
/// embedding that does not fit. For whoever looks for words, the parts of a composed prompt stand
/// one behind the other: ids and positions of part p begin at p times the number of ids of a part.
class PromptReader final : public Tokenizer {
 public:
  /// Prompts get at least `chunks` chunks, so that all of a run have as many; `steps` are the
  /// run's.
  PromptReader(std::shared_ptr<const Tokenizer> tokenizer, PromptSyntax syntax, int64_t steps,
               int64_t chunks = 1);

  /// The prompts that AND puts together, each with emphasis and changes of its own; all have as
  /// many chunks. Throws UsageError for a weight that is no number, for more than 32 chunks, and
  /// for more than 16 parts.
  std::vector<PromptPart> read_parts(std::string_view prompt) const;
  /// The weights of those parts: {1} where there is no AND.
  std::vector<double> part_weights(std::string_view prompt) const;
  /// The whole as one prompt, AND being text: negative prompts are read so. One entry for each
  /// change.
  std::vector<PromptVariant> read(std::string_view prompt) const;
  /// How many chunks each part of a prompt needs.
  int64_t chunks_of(std::string_view prompt) const;
  /// The same reader for prompts in which AND is text.
  std::shared_ptr<const PromptReader> without_composition() const;

  std::vector<Token> tokenize(std::string_view text) const override;
  /// Without the tags of extra networks, but in a plain prompt.
  std::string readable(std::string_view text) const override;
  /// Those tags.
  std::vector<NetworkTag> network_tags(std::string_view prompt) const;
  std::string decode(int64_t id) const override { return tokenizer_->decode(id); }
  int64_t vocabulary() const override { return tokenizer_->vocabulary(); }
  /// The ids at step 0, with the tokens of every step and part.
  TokenizedPrompt encode(std::string_view text) const override;
  /// How many chunks every prompt has at least.
  int64_t chunks() const { return chunks_; }

 private:
  std::vector<ComposedPrompt> split(std::string_view prompt) const;
  PromptVariant read_plain(std::string_view prompt) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  PromptSyntax syntax_;
  int64_t steps_;
  int64_t chunks_;
  bool composes_ = true;
};

/// Whether kAuto reads a prompt as kA1111.
bool has_prompt_markup(std::string_view prompt);

}  // namespace sd
