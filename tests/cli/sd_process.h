#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/temp_folder.h"

namespace sd::test {

/// How a program is started.
struct ProcessSetup {
  std::filesystem::path binary = SD_BINARY;
  std::vector<std::string> arguments;
  std::filesystem::path folder = ".";                            // working directory
  std::vector<std::pair<std::string, std::string>> environment;  // beside what is inherited
  std::string input;                                             // its standard input
  std::string stdout_path;                                       // instead of being captured
  bool stdout_closed = false;                                    // a pipe that nobody reads
  std::vector<int> closed_descriptors;  // of 0 to 2, as the shell's >&- does
  bool folder_deleted = false;          // once it is the working directory
  std::optional<uint64_t> file_limit;   // bytes, as `ulimit -f`
  int stderr_descriptor = -1;           // instead of being captured
};

struct Finished {
  int code = -1;  // 128 + signal when a signal ended it, as shells say
  std::string out;
  std::string err;

  /// Lines of stdout.
  std::vector<std::string> lines() const;
};

/// A running program.
class Process {
 public:
  explicit Process(const ProcessSetup& setup);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const;
  /// Waits until `condition` holds; false if the program ended before.
  bool wait_until(const std::function<bool()>& condition);
  Finished wait();

 private:
  bool ended();

  TempFolder streams_;
  pid_t process_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

/// Runs it to its end.
Finished run_program(const ProcessSetup& setup);
Finished run_sd(const std::vector<std::string>& arguments);

}  // namespace sd::test
