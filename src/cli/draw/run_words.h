#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "cli/plan/draw_plan.h"
#include "cli/plan/run_extent.h"
#include "cli/record/picture_record.h"
#include "cli/shell/progress_line.h"
#include "cli/shell/time_notice.h"
#include "cli/shell/turns.h"
#include "sd/pipeline/load.h"

namespace sd::cli {

/// The time that a batch took, and all until its end.
struct BatchSeconds {
  double batch = 0;
  double run = 0;
};

/// What a run says of itself while it goes on: its messages, the progress line, how long it will
/// take. Keeps the time of its batches.
class RunWords {
 public:
  explicit RunWords(const DrawPlan& plan)
      : plan_(plan),
        turn_(plan.place ? plan.place->turn : nullptr),
        progress_(wants_progress_line(plan.options.quiet)) {}

  /// Whose turn it is from now on; returns whose it was.
  Turn* use(Turn* turn) { return std::exchange(turn_, turn); }
  bool is_due() { return turn_ == nullptr || turn_->is_due(); }
  /// Does what writes or says: at once, or when its turn comes.
  void tell(std::function<void()> act);
  /// Waits for the turn; false if the work was stopped before.
  bool take() { return turn_ == nullptr || turn_->take(); }

  /// Says something, unless the run is quiet, in place of the progress line.
  void say(const std::string& message);
  void clear() { progress_.clear(); }

  /// Shows how far the model is loaded; returns false when the run is to stop.
  bool on_loading(const Progress& progress);

  /// Before the first batch, and around each. Batches of the run are divided among `lanes`, each
  /// with words of its own.
  void begin(const LoadedModel& model, std::size_t lanes = 1);
  void begin_batch();
  bool on_step(const Batch& batch, const Progress& progress);
  BatchSeconds end_batch();
  /// Behind the last one.
  void end();

  /// That a picture of these is finished, where no progress line shows it.
  void finished(const PictureRecord& picture, const std::string& label,
                const BatchSeconds& seconds);

 private:
  void begin_estimate(const LoadedModel& model);
  void announce_estimate(const Progress& progress, double now);
  RunProgress shown(const Progress& progress) const;

  const DrawPlan& plan_;
  Turn* turn_;  // null: nobody else speaks
  ProgressLine progress_;
  StepRate rate_;
  int64_t steps_left_ = 0;  // of batches not begun
  double batch_began_ = 0;
  double drawing_seconds_ = 0;        // of all batches so far
  std::optional<RunSize> estimated_;  // until its time is estimated
  bool full_size_ = false;
  double second_step_began_ = 0;
};

/// The words by which a prompt is named in messages: its line in the list, or itself.
std::string prompt_label(const ListedPrompt& prompt);

}  // namespace sd::cli
