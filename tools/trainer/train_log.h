#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "trainer/run_context.h"

namespace sd::train {

/// The stage, its step, losses and speed as a JSON line.
std::string json_of(const TrainPoint& point);

/// "unet 12.3 %  369,000 of 3,000,000 pictures  142/s  eps 0.021  5 h 08 min left"
std::string progress_of(const TrainPoint& point);

/// Appends points to `folder`/log.jsonl, whole lines at a time.
class TrainLog {
 public:
  /// Throws IoError if the file cannot be opened.
  explicit TrainLog(const std::filesystem::path& folder);
  /// Throws IoError if the disk is full.
  void write(const TrainPoint& point);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace sd::train
