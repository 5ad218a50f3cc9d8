#include "cli/plan/combinations.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "sd/core/error.h"
#include "sd/text/prompt_choices.h"

namespace sd::cli {
namespace {

/// Calls put(set, prompt) with every prompt of `choices` for every set.
template <typename Put>
void multiply(std::vector<PromptSet>& sets, const std::vector<std::string>& choices, Put put) {
  std::vector<PromptSet> longer;
  for (const auto& set : sets) {
    for (const auto& prompt : choices) put(longer.emplace_back(set), prompt);
  }
  sets = std::move(longer);
}

}  // namespace

std::vector<PromptSet> combinations_of(const PromptSet& set) {
  const auto expanded = [](const std::string& prompt) {
    return expand_choices(prompt, kMaxCombinations);
  };
  std::vector<std::string> sources;
  if (set.source) sources = expanded(*set.source);
  std::vector<std::vector<std::string>> targets;
  double count = set.source ? static_cast<double>(sources.size()) : 1;
  for (const auto& target : set.targets) {
    targets.push_back(expanded(target));
    count *= static_cast<double>(targets.back().size());
  }
  if (count > kMaxCombinations) {
    throw UsageError(
        fmt::format("the prompts have {:.6g} combinations together, at most {} are drawn", count,
                    kMaxCombinations));
  }
  std::vector<PromptSet> sets(1);
  if (set.source) {
    multiply(sets, sources,
             [](PromptSet& made, const std::string& prompt) { made.source = prompt; });
  }
  for (const auto& choices : targets) {
    multiply(sets, choices,
             [](PromptSet& made, const std::string& prompt) { made.targets.push_back(prompt); });
  }
  return sets;
}

}  // namespace sd::cli
