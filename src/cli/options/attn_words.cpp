#include "cli/options/attn_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/shell/text_output.h"
#include "sd/core/error.h"
#include "sd/text/words.h"
#include "text/clusters.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownPrompt = 60;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

/// Every word of the prompt once, with the tokens of all its occurrences.
std::vector<AttnWord> all_words(const PromptWords& words) {
  std::vector<AttnWord> chosen;
  for (const auto& word : words.words()) {
    if (word.occurrence > 1 || word.cut || word.positions.empty()) continue;
    chosen.push_back({word.text, words.find(word.text), {}});
  }
  return chosen;
}

/// Gives each word a file name of its own.
void name_files(std::vector<AttnWord>& words) {
  std::set<std::string> taken;
  for (auto& word : words) {
    const auto stem = fmt::format("{:02d}_{}", word.positions.front(), file_name_part(word.text));
    word.stem = stem;
    for (int copy = 2; !taken.insert(word.stem).second; ++copy) {
      word.stem = fmt::format("{}_{}", stem, copy);
    }
  }
}

void check_steps(const AttnOptions& options, int64_t steps) {
  const auto count = static_cast<double>(steps);
  const auto first = static_cast<int64_t>(options.steps.begin * count);
  if (first < static_cast<int64_t>(options.steps.end * count)) return;
  throw UsageError(
      fmt::format("--attn-steps {}:{} holds none of {} steps\nEach step is {} of them.",
                  options.steps.begin, options.steps.end, steps, 1 / count));
}

/// The negative prompt's maps are of guided steps alone.
void check_guided_steps(const AttnOptions& options, const AttnSubject& subject) {
  for (int64_t step = 0; step < subject.steps; ++step) {
    if (options.steps.contains(step, subject.steps) &&
        subject.guidance_interval.contains(step, subject.steps))
      return;
  }
  throw UsageError(
      "--attn-rows uncond: the negative prompt is computed in the steps of --guidance-interval, "
      "and "
      "none of --attn-steps is one of them");
}

void require_attn(const AttnOptions& options) {
  if (options.draws()) return;
  if (!options.words.empty()) {
    throw UsageError("--words says whose maps to draw: give --attn DIR with it");
  }
}

}  // namespace

const std::string& attn_prompt(const AttnOptions& options, const AttnSubject& subject,
                               const std::string& target) {
  if (!options.conditional) return subject.negative_prompt;
  return options.kind == AttnKind::kSource && subject.source ? *subject.source : target;
}

std::string file_name_part(std::string_view text, std::size_t most_bytes) {
  // What could steer a terminal or is broken is not worth keeping any part of.
  const bool keep_foreign = printable(text) == text;
  std::string name;
  for (const auto& c : decode_clusters(text)) {
    // All of an emoji or of a letter with its accents, or nothing of it.
    if (name.size() + (c.end - c.begin) > most_bytes) break;
    for (std::size_t at = c.begin; at < c.end;) {
      const std::size_t length = std::max<std::size_t>(1, utf8_character(text, at));
      const bool keep = length == 1 ? is_plain(text[at]) : keep_foreign;
      name += keep ? text.substr(at, length) : std::string_view("_");
      at += length;
    }
  }
  return name.empty() ? "_" : name;
}

std::vector<AttnWord> choose_words(const std::string& prompt,
                                   const std::vector<std::string>& wanted,
                                   const Tokenizer& tokenizer) {
  const PromptWords words(tokenizer.readable(prompt), tokenizer.encode(prompt));
  std::vector<AttnWord> chosen;
  if (wanted.empty()) {
    chosen = all_words(words);
    if (chosen.empty()) throw UsageError(fmt::format("\"{}\" has no words to draw", prompt));
  }
  for (const auto& query : wanted) {
    AttnWord word{query, words.find(query), {}};
    const auto same = [&](const AttnWord& other) { return other.positions == word.positions; };
    if (std::ranges::none_of(chosen, same)) chosen.push_back(std::move(word));
  }
  name_files(chosen);
  return chosen;
}

void check_attn(const AttnOptions& options, const AttnSubject& subject,
                const Tokenizer& tokenizer) {
  require_attn(options);
  if (!options.draws()) return;
  if (options.kind == AttnKind::kSource && !subject.source) {
    throw UsageError(
        "--attn-kind source: there is no source prompt\nGive --sprompt (sd swap), or leave the "
        "option out.");
  }
  if (!options.conditional && !subject.guided) {
    throw UsageError("--attn-rows uncond: with --scale 1 the negative prompt is not computed");
  }
  check_steps(options, subject.steps);
  if (!options.conditional) check_guided_steps(options, subject);
  std::set<std::string> checked;
  for (const auto& target : subject.prompts) {
    const auto& prompt = attn_prompt(options, subject, target);
    if (!checked.insert(prompt).second) continue;
    try {
      choose_words(prompt, options.words, tokenizer);
    } catch (const UsageError& error) {
      const bool several = subject.prompts.size() > 1 && options.conditional;
      const auto whose = !options.conditional ? std::string("the negative prompt: ")
                         : several ? fmt::format("\"{}\": ", shorten(prompt, kShownPrompt))
                                   : std::string();
      throw UsageError(
          fmt::format("--{}: {}{}", options.words.empty() ? "attn" : "words", whose, error.what()));
    }
  }
}

}  // namespace sd::cli
