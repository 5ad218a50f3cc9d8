#pragma once

#include <filesystem>
#include <string>

#include "trainer/run_context.h"
#include "trainer/train_log.h"

namespace sd::cli {

/// How a training run goes on: points to its log and to a line on stderr, words below it.
class RunWords {
 public:
  /// The log lies in `folder`. Throws IoError if it cannot be written.
  explicit RunWords(const std::filesystem::path& folder) : log_(folder) {}
  RunWords(const RunWords&) = delete;
  RunWords& operator=(const RunWords&) = delete;

  /// Lets `run` speak through this object, and stop where the user asks for it.
  void attach(train::RunContext& run);
  void say(const std::string& text);

 private:
  void report(const train::TrainPoint& point);

  train::TrainLog log_;
  bool line_open_ = false;
};

}  // namespace sd::cli
