#include "cli/plan/run_prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "cli/plan/combinations.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// A line of a list, which in a swap may hold a source, a tab and a target.
PromptSet set_of_line(const DrawOptions& options, const std::string& line) {
  if (options.task != DrawTask::kSwap) return {{line}, std::nullopt};
  const auto tab = line.find('\t');
  if (tab == std::string::npos) return {{line}, options.swap.source};
  return {{line.substr(tab + 1)}, line.substr(0, tab)};
}

/// A source is drawn beside all of a list's prompts or beside none.
bool fits_first(const PromptSet& set, const RunPrompts& prompts) {
  return prompts.sets.empty() || set.source.has_value() == prompts.swaps();
}

/// All that a line stands for; none, and a bad line, where that is too many.
std::vector<PromptSet> sets_of_line(const DrawOptions& options, const ListedPrompt& line,
                                    std::vector<BadLine>& bad_lines) {
  const auto set = set_of_line(options, line.text);
  if (!options.combinations) return {set};
  try {
    return combinations_of(set);
  } catch (const UsageError& error) {
    bad_lines.push_back({line.line, fmt::format("cannot be used: {}", error.what())});
    return {};
  }
}

void append(RunPrompts& prompts, int64_t line, std::vector<PromptSet> sets) {
  for (auto& set : sets) {
    prompts.listed.push_back({line, set.targets.front()});
    prompts.sets.push_back(std::move(set));
  }
  if (prompts.sets.size() > kMaxPrompts) {
    throw UsageError(fmt::format("--combinations: more than {} prompts", kMaxPrompts));
  }
}

RunPrompts prompts_of_list(const DrawOptions& options, const PromptList& list) {
  RunPrompts prompts;
  prompts.bad_lines = list.bad_lines;
  for (const auto& line : list.prompts) {
    auto sets = sets_of_line(options, line, prompts.bad_lines);
    if (sets.empty()) continue;
    if (!fits_first(sets.front(), prompts)) {
      prompts.bad_lines.push_back({line.line,
                                   "has no source beside it as the first has, or "
                                   "has one where the first has none"});
      continue;
    }
    append(prompts, line.line, std::move(sets));
  }
  if (!prompts.sets.empty()) return prompts;
  const auto& bad = prompts.bad_lines.front();
  throw UsageError(fmt::format("--from-file: no usable prompt: line {} {}", bad.line, bad.reason));
}

}  // namespace

RunPrompts run_prompts(const DrawOptions& options, const PromptList* listed) {
  if (listed != nullptr) return prompts_of_list(options, *listed);
  const PromptSet set = options.task == DrawTask::kSwap
                            ? PromptSet{options.swap.targets, options.swap.source}
                            : PromptSet{{options.prompt}, std::nullopt};
  RunPrompts prompts;
  append(prompts, 0,
         options.combinations
             ? combinations_of(set)
             : std::vector<PromptSet>(static_cast<std::size_t>(options.n_samples), set));
  return prompts;
}

AttnSubject attn_subject(const DrawOptions& options, const RunPrompts& prompts) {
  AttnSubject subject;
  std::set<std::string> distinct;
  for (const auto& set : prompts.sets) {
    for (const auto& target : set.targets) {
      if (distinct.insert(target).second) subject.prompts.push_back(target);
    }
  }
  subject.source = prompts.sets.front().source;
  subject.negative_prompt = options.negative_prompt;
  subject.guided = options.guidance_scale != 1;
  subject.guidance_interval = options.guidance_interval;
  subject.steps = options.steps;
  return subject;
}

std::vector<std::string> prompts_of(const RunPrompts& prompts) {
  std::vector<std::string> texts;
  std::set<std::string> seen;
  const auto add = [&](const std::string& prompt) {
    if (seen.insert(prompt).second) texts.push_back(prompt);
  };
  for (const auto& set : prompts.sets) {
    for (const auto& target : set.targets) add(target);
    if (set.source) add(*set.source);
  }
  return texts;
}

std::vector<std::string> distinct_prompts(const DrawOptions& options, const RunPrompts& prompts) {
  auto texts = prompts_of(prompts);
  if (std::ranges::find(texts, options.negative_prompt) == texts.end())
    texts.push_back(options.negative_prompt);
  return texts;
}

}  // namespace sd::cli
