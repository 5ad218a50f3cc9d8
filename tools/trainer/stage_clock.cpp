#include "trainer/stage_clock.h"

#include <algorithm>

namespace sd::train {
namespace {

constexpr double kReportSeconds = 10;

}  // namespace

StageClock::StageClock(const RunContext& run, std::string stage, int64_t total_pictures,
                       Position& position)
    : run_(run), stage_(std::move(stage)), total_(total_pictures), position_(position) {
  last_step_ = last_report_ = last_save_ = last_sheet_ = Clock::now();
}

double StageClock::seconds_since(Clock::time_point moment) {
  return std::chrono::duration<double>(Clock::now() - moment).count();
}

double StageClock::share() const {
  return std::min(1.0, static_cast<double>(position_.pictures) / static_cast<double>(total_));
}

void StageClock::count(int64_t batch, const std::map<std::string, double>& losses,
                       double learning_rate, double gradient_norm) {
  ++position_.step;
  position_.pictures += batch;
  position_.seconds += seconds_since(last_step_);
  last_step_ = Clock::now();
  for (const auto& [name, value] : losses) sums_[name] += value;
  ++steps_since_;
  pictures_since_ += batch;
  const double elapsed = seconds_since(last_report_);
  if (elapsed < kReportSeconds && !done()) return;
  TrainPoint point{stage_,
                   position_.step,
                   position_.pictures,
                   total_,
                   static_cast<double>(pictures_since_) / elapsed,
                   learning_rate,
                   gradient_norm,
                   {}};
  for (const auto& [name, sum] : sums_) {
    point.losses.emplace_back(name, sum / static_cast<double>(steps_since_));
  }
  run_.report(point);
  sums_.clear();
  steps_since_ = pictures_since_ = 0;
  last_report_ = Clock::now();
}

bool StageClock::time_to_save() {
  if (seconds_since(last_save_) < static_cast<double>(run_.recipe.state_every_seconds))
    return false;
  last_save_ = Clock::now();
  return true;
}

bool StageClock::time_to_draw() {
  if (seconds_since(last_sheet_) < static_cast<double>(run_.recipe.sheet_every_seconds)) {
    return false;
  }
  last_sheet_ = Clock::now();
  return true;
}

}  // namespace sd::train
