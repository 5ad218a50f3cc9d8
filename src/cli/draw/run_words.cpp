#include "cli/draw/run_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cli/plan/draw_notices.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/text_output.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownPrompt = 60;

double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

}  // namespace

std::string prompt_label(const ListedPrompt& prompt) {
  return prompt.line == 0 ? fmt::format("\"{}\"", shorten(prompt.text, kShownPrompt))
                          : fmt::format("line {}", prompt.line);
}

void RunWords::say(const std::string& message) {
  if (plan_.options.quiet) return;
  if (is_due()) {
    progress_.clear();
    print_message(message);
  } else {
    turn_->tell([message] { print_message(message); });  // may outlive this run
  }
}

void RunWords::tell(std::function<void()> act) {
  if (turn_ != nullptr) return turn_->tell(std::move(act));
  act();
}

RunProgress RunWords::shown(const Progress& progress) const {
  RunProgress shown;
  shown.stage = progress;
  shown.model = plan_.model_name;
  shown.pictures = plan_.pictures;
  return shown;
}

bool RunWords::on_loading(const Progress& progress) {
  if (is_due()) progress_.update(shown(progress));
  return !InterruptGuard::requested();
}

void RunWords::begin(const LoadedModel& model, std::size_t lanes) {
  const auto batches = plan_.options.only ? 1 : batch_count(plan_);
  const auto share = (batches + static_cast<int64_t>(lanes) - 1) / static_cast<int64_t>(lanes);
  steps_left_ = share * plan_.options.steps;
  begin_estimate(model);
}

void RunWords::begin_batch() {
  steps_left_ = std::max<int64_t>(0, steps_left_ - plan_.options.steps);
  batch_began_ = now();
  rate_.begin_batch(batch_began_);
}

bool RunWords::on_step(const Batch& batch, const Progress& progress) {
  const auto targets = static_cast<int64_t>(plan_.prompts.targets());
  const bool only = plan_.options.only.has_value();  // of one, the run's other ones do not count
  auto line = shown(progress);
  const int64_t first = batch.first_sample * targets;
  line.first_picture = only ? 1 : first + 1;
  line.last_picture = only ? plan_.pictures : first + static_cast<int64_t>(batch.size) * targets;
  if (progress.stage == Progress::Stage::kSample) {
    rate_.finished(progress.done, now());
    announce_estimate(progress, now());
    line.steps_per_second = rate_.per_second();
    const auto left = static_cast<double>(steps_left_ + progress.total - progress.done);
    if (line.steps_per_second > 0) line.seconds_left = left / line.steps_per_second;
  }
  if (is_due()) progress_.update(line);
  return !InterruptGuard::requested();
}

BatchSeconds RunWords::end_batch() {
  const double seconds = now() - batch_began_;
  drawing_seconds_ += seconds;
  return {seconds, drawing_seconds_};
}

void RunWords::end() {
  progress_.clear();
  if (plan_.options.verbose > 0 && rate_.per_second() > 0)
    say(fmt::format("{:.3f} s a step", 1 / rate_.per_second()));
}

void RunWords::finished(const PictureRecord& picture, const std::string& label,
                        const BatchSeconds& seconds) {
  if (plan_.options.quiet || progress_.shown()) return;
  const auto targets = static_cast<int64_t>(plan_.prompts.targets());
  FinishedPicture told;
  told.batch_seconds = seconds.batch;
  told.run_seconds = seconds.run;
  if (plan_.options.only) {  // the run's other ones do not count
    told.number = picture.target + 1;
    told.first_of_batch = 1;
    told.last_of_batch = told.pictures = plan_.pictures;
  } else {
    told.number = picture.index + 1;
    told.first_of_batch = picture.index - picture.row + 1;
    told.last_of_batch = picture.index - picture.row + picture.batch_size * targets;
    told.pictures = plan_.pictures;
  }
  if (plan_.is_shared()) told.pictures = plan_.samples * targets;
  print_message(
      fmt::format("{}{}: {}", label, finished_text(told), shorten(picture.prompt, kShownPrompt)));
}

/// A first run with the original's numbers of pictures and steps may take an hour on a CPU. Who has
/// chosen how many are drawn knows.
void RunWords::begin_estimate(const LoadedModel& model) {
  const auto& options = plan_.options;
  const bool chosen = options.given.has("n_samples") && options.given.has("n_iter");
  const bool counted_otherwise = plan_.place || options.lists_prompts() || options.only;
  if (options.quiet || chosen || counted_otherwise || model.device != "cpu") return;
  full_size_ = is_full_size(model.config);
  estimated_ = {plan_.pictures, batch_count(plan_), options.steps, plan_.width(), plan_.height()};
}

/// The second step is measured: in the first one weights are packed, and PLMS calls the model
/// twice.
void RunWords::announce_estimate(const Progress& progress, double now) {
  if (!estimated_) return;
  estimated_->steps = progress.total;  // a strength leaves some out
  if (progress.done == 0 && estimated_->pictures > 1 && full_size_)
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
