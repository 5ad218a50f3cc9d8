#include "trainer/run_words.h"

#include <unistd.h>

#include <iostream>

#include "cli/shell/interrupt.h"
#include "cli/shell/text_output.h"

namespace sd::cli {

void RunWords::attach(train::RunContext& run) {
  run.say = [this](const std::string& text) { say(text); };
  run.stop_requested = [] { return InterruptGuard::requested(); };
  run.report = [this](const train::TrainPoint& point) { report(point); };
}

void RunWords::report(const train::TrainPoint& point) {
  log_.write(point);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  std::cerr << (terminal ? "\r\x1b[K" : "") << train::progress_of(point) << (terminal ? "" : "\n")
            << std::flush;
  line_open_ = terminal;
}

void RunWords::say(const std::string& text) {
  if (line_open_) std::cerr << '\n';
  line_open_ = false;
  print_message(text);
}

}  // namespace sd::cli
