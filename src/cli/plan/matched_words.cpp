#include "cli/plan/matched_words.h"

#include <set>
#include <utility>

#include "sd/core/error.h"
#include "sd/text/control_words.h"

namespace sd::cli {
namespace {

std::vector<std::string> prompts_of(const DrawPlan& plan, const std::string& word,
                                    MatchedWord::Where where) {
  if (where == MatchedWord::Where::kItself) return {word};
  std::vector<std::string> prompts;
  for (const auto& set : plan.looked_at().sets) {
    if (where == MatchedWord::Where::kTarget) {
      prompts.insert(prompts.end(), set.targets.begin(), set.targets.end());
    } else if (set.source) {
      prompts.push_back(*set.source);
    }
  }
  return prompts;
}

}  // namespace

void match(std::vector<MatchedWord>& words, const DrawPlan& plan, const std::string& word,
           MatchedWord::Where where) {
  MatchedWord matched{word, where, 0, {}};
  std::set<std::string> seen;
  for (const auto& prompt : prompts_of(plan, word, where)) {
    if (!seen.insert(prompt).second) continue;
    try {
      auto tokens = word_positions("", prompt, word, *plan.reader);
      if (++matched.prompts == 1) matched.tokens = std::move(tokens);
    } catch (const UsageError&) {  // not in this one
    }
  }
  if (matched.prompts > 0) words.push_back(std::move(matched));
}

}  // namespace sd::cli
