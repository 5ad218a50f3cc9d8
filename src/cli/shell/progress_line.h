#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "sd/pipeline/progress.h"

namespace sd::cli {

/// How fast the denoising goes, over all batches of a run. Times are seconds of any clock that only
/// goes forward.
class StepRate {
 public:
  /// A batch starts sampling at `now`.
  void begin_batch(double now);
  /// `done` steps of the batch are finished at `now`.
  void finished(int64_t done, double now);
  /// Steps a second over all finished steps; 0 before the first.
  double per_second() const;

 private:
  int64_t steps_before_ = 0;
  double seconds_before_ = 0;
  double batch_began_ = 0;
  int64_t batch_steps_ = 0;
  double batch_seconds_ = 0;
};

/// What the progress line says.
struct RunProgress {
  Progress stage;
  std::string model;          // shown while loading
  int64_t first_picture = 1;  // of the batch being drawn, from 1
  int64_t last_picture = 1;
  int64_t pictures = 1;         // of the whole run
  double steps_per_second = 0;  // 0: not known yet
  double seconds_left = 0;
};

/// A picture that is done, and the time that its batch and the run so far took.
struct FinishedPicture {
  int64_t number = 1;          // from 1
  int64_t first_of_batch = 1;  // pictures that were drawn with it
  int64_t last_of_batch = 1;
  int64_t pictures = 1;  // of the whole run
  double batch_seconds = 0;
  double run_seconds = 0;  // of all batches so far
};

/// "picture 2 of 2 in 3.2 s (6.4 s in all)", "picture 4 of 6 (4-6 together in 8.3 s, 16.4 s in
/// all)": the first batch's time is the run's.
std::string finished_text(const FinishedPicture& picture);

/// "0:07", "12:30", "1:02:03".
std::string clock_text(double seconds);

/// "[====      ]": how much of `total` is done.
std::string progress_bar(int64_t done, int64_t total);

/// One line of at most `columns` characters, without control characters.
std::string render_progress(const RunProgress& progress, std::size_t columns);

/// Whether to show a line that rewrites itself: stderr is a terminal that can (TERM is not "dumb")
/// and not `quiet`. The line has no colours, so NO_COLOR has nothing to switch off.
bool wants_progress_line(bool quiet);

/// The line itself, on stderr, rewritten at most ten times a second.
class ProgressLine {
 public:
  explicit ProgressLine(bool shown) : shown_(shown) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  bool shown() const { return shown_; }
  void update(const RunProgress& progress);
  /// Any text; `at_once` if it must not be skipped for being too soon.
  void show(const std::string& text, bool at_once = false);
  /// Takes the line away, before something else is written.
  void clear();

 private:
  bool shown_ = false;
  std::size_t width_ = 0;  // of what stands there now
  std::chrono::steady_clock::time_point drawn_{};
};

}  // namespace sd::cli
