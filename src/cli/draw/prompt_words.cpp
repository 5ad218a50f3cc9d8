#include "cli/draw/prompt_words.h"

#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/draw/run_words.h"
#include "cli/plan/prompt_notice.h"
#include "cli/plan/vocabulary_notice.h"
#include "cli/shell/text_output.h"
#include "sd/pipeline/vocabulary.h"

namespace sd::cli {
namespace {

/// Says what is cut off of each prompt, and with the first one how to keep it.
void announce_cut_prompts(const DrawPlan& plan) {
  auto hint = fmt::format("\n{}", truncation_hint(plan.options.prompt_syntax));
  const auto announce = [&](const std::string& what, const std::string& prompt,
                            const PromptReader& reader) {
    const auto notice = truncation_notice(what, prompt, reader);
    if (!notice.empty()) print_message(plan.label() + notice + std::exchange(hint, ""));
  };
  const auto& prompts = plan.drawn();
  const bool lists = plan.options.lists_prompts() || plan.is_shared();
  const std::size_t distinct = lists ? prompts.size() : 1;  // else one many times over
  std::set<std::string> sources;  // one --sprompt may stand beside every line
  for (std::size_t i = 0; i < distinct; ++i) {
    const auto whose = lists ? prompt_label(prompts.listed[i]) : "the prompt";
    for (const auto& target : prompts.sets[i].targets) announce(whose, target, *plan.reader);
    const auto& source = prompts.sets[i].source;
    if (source && sources.insert(*source).second)
      announce("the source of " + whose, *source, *plan.reader);
  }
  announce("the negative prompt", plan.options.negative_prompt,
           *plan.reader->without_composition());
}

void announce_unlearnt_words(const DrawPlan& plan, const std::vector<std::string>& prompts,
                             const LoadedModel& model, ToldOfModels& told) {
  const auto learnt = [&model](const std::vector<int64_t>& ids) { return learnt_ids(model, ids); };
  const auto unlearnt = unlearnt_words(prompts, *plan.reader, learnt);
  if (unlearnt.empty()) return;
  const bool again = !told.vocabulary.insert(model.main_file).second;
  const auto known = again ? std::vector<std::string>() : learnt_words(*plan.reader, learnt);
  print_message(plan.label() + vocabulary_notice(unlearnt, known));
}

}  // namespace

void announce_prompts(const DrawPlan& plan, const LoadedModel& model, ToldOfModels& told) {
  if (plan.options.quiet) return;
  const auto prompts = distinct_prompts(plan.options, plan.drawn());
  const auto tags =
      network_tags_notice(prompts_of(plan.drawn()), plan.options.negative_prompt, *plan.reader);
  if (!tags.empty()) print_message(plan.label() + tags);
  announce_cut_prompts(plan);
  announce_unlearnt_words(plan, prompts, model, told);
}

}  // namespace sd::cli
