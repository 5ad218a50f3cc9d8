#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "trainer/run_context.h"
#include "trainer/training_state.h"

namespace sd::train {

/// Counts steps, pictures, seconds and mean losses of a stage, and says when it is time to report,
/// to save the state and to draw a sheet.
class StageClock {
 public:
  StageClock(const RunContext& run, std::string stage, int64_t total_pictures, Position& position);

  /// After a step of `batch` pictures.
  void count(int64_t batch, const std::map<std::string, double>& losses, double learning_rate,
             double gradient_norm);
  bool done() const { return position_.pictures >= total_; }
  double share() const;  // of the stage, in [0,1]
  bool time_to_save();
  bool time_to_draw();

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point moment);

  const RunContext& run_;
  std::string stage_;
  int64_t total_;
  Position& position_;
  Clock::time_point last_step_, last_report_, last_save_, last_sheet_;
  std::map<std::string, double> sums_;
  int64_t steps_since_ = 0, pictures_since_ = 0;
};

}  // namespace sd::train
