// What a run says of itself before and while it draws.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "cli/draw/draw_run.h"
#include "cli/plan/draw_notices.h"
#include "cli/plan/prompt_notice.h"
#include "cli/plan/vocabulary_notice.h"
#include "sd/pipeline/vocabulary.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownPrompt = 60;

}  // namespace

std::string DrawRun::prompt_label(const ListedPrompt& prompt) {
  return prompt.line == 0 ? fmt::format("\"{}\"", shorten(prompt.text, kShownPrompt))
                          : fmt::format("line {}", prompt.line);
}

std::string DrawRun::label() const { return options_.place ? options_.place->label : ""; }

/// Every prompt of the run once; a source may stand beside every line.
std::vector<std::string> DrawRun::distinct_prompts() const {
  std::vector<std::string> prompts;
  std::set<std::string> seen;
  const auto add = [&](const std::string& prompt) {
    if (seen.insert(prompt).second) prompts.push_back(prompt);
  };
  for (const auto& set : sets_) {
    for (const auto& target : set.targets) add(target);
    if (set.source) add(*set.source);
  }
  add(options_.negative_prompt);
  return prompts;
}

void DrawRun::announce_prompts() {
  if (options_.quiet) return;
  const auto prompts = distinct_prompts();
  const auto tags = network_tags_notice(prompts, *tokenizer_);
  if (!tags.empty()) print_message(label() + tags);
  announce_cut_prompts();
  announce_unlearnt_words(prompts);
}

void DrawRun::announce_cut_prompts() const {
  auto hint = fmt::format("\n{}", truncation_hint(options_.prompt_syntax));
  const auto announce_as = [&](const std::string& what, const std::string& prompt,
                               const auto& reader) {
    const auto notice = truncation_notice(what, prompt, reader);
    if (!notice.empty()) print_message(label() + notice + std::exchange(hint, ""));
  };
  const auto announce = [&](const std::string& what, const std::string& prompt) {
    announce_as(what, prompt, *tokenizer_);
  };
  const bool lists = options_.lists_prompts() || !cells_.empty();
  const std::size_t distinct = lists ? prompts_.prompts.size() : 1;  // else one many times over
  std::set<std::string> sources;  // one --sprompt may stand beside every line
  for (std::size_t i = 0; i < distinct; ++i) {
    const auto whose = lists ? prompt_label(prompts_.prompts[i]) : "the prompt";
    for (const auto& target : sets_[i].targets) announce(whose, target);
    const auto& source = sets_[i].source;
    if (source && sources.insert(*source).second) announce("the source of " + whose, *source);
  }
  announce_as("the negative prompt", options_.negative_prompt, *tokenizer_->without_composition());
}

void DrawRun::announce_overflow() {
  if (options_.quiet || std::exchange(kept_model_.told_overflow, true)) return;
  progress_.clear();
  print_message(label() +
                "the autoencoder's values go beyond half precision: decoded again in float32");
}

/// What the model knows is said once, whatever number of tasks it draws.
void DrawRun::announce_unlearnt_words(const std::vector<std::string>& prompts) {
  const auto learnt = [this](const std::vector<int64_t>& ids) { return learnt_ids(*model_, ids); };
  const auto unlearnt = unlearnt_words(prompts, *tokenizer_, learnt);
  if (unlearnt.empty()) return;
  const bool told = std::exchange(kept_model_.told_vocabulary, true);
  const auto known = told ? std::vector<std::string>() : learnt_words(*tokenizer_, learnt);
  print_message(label() + vocabulary_notice(unlearnt, known));
}

/// A first run with the original's numbers of pictures and steps may take an hour on a CPU. Who has
/// chosen how many are drawn knows.
void DrawRun::begin_estimate(int64_t batches) {
  const auto& given = options_.given;
  const bool chosen = given.has("n_samples") && given.has("n_iter");
  const bool counted_otherwise = options_.place || options_.lists_prompts() || options_.only;
  if (options_.quiet || chosen || counted_otherwise || record_.device != "cpu") return;
  estimated_ = {total_pictures_, batches, options_.ddim_steps, record_.width, record_.height};
}

/// The second step is measured: in the first one weights are packed, and PLMS calls the model
/// twice.
void DrawRun::announce_estimate(const Progress& progress, double now) {
  if (!estimated_) return;
  estimated_->steps = progress.total;  // a strength leaves some out
  if (progress.done == 0 && estimated_->pictures > 1 && is_full_size(model_->config))
    say(fmt::format("drawing {}; how long that takes is said after two steps",
                    size_of_run(*estimated_)));
  if (progress.total < 2) return estimated_.reset();
  if (progress.done == 1) second_step_began_ = now;
  if (progress.done != 2) return;
  const auto notice = estimate_notice(*estimated_, now - second_step_began_);
  estimated_.reset();  // once is enough
  if (!notice.empty()) say(notice);
}

}  // namespace sd::cli
