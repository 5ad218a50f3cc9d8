#pragma once

#include <stdexcept>
#include <string>

namespace sd {

/// What the process returns to the shell.
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kPartOfBatch = 3,  // some tasks failed, the rest are done
  kCheckpoint = 4,
  kInputOutput = 5,
  kMemory = 6,
  kInterrupted = 130,
};

/// Base of every error this project throws. The message says what, where, what was expected, what
/// was found, and what to do; further lines are hints.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::kFailed)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// A wrong option, prompt or configuration (exit 2).
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, ExitCode::kUsage) {}
};

/// A weight file that cannot be used (exit 4).
class CheckpointError : public Error {
 public:
  explicit CheckpointError(const std::string& message) : Error(message, ExitCode::kCheckpoint) {}
};

/// Reading or writing a file failed (exit 5).
class IoError : public Error {
 public:
  explicit IoError(const std::string& message) : Error(message, ExitCode::kInputOutput) {}
};

/// Not enough host or device memory (exit 6).
class OutOfMemory : public Error {
 public:
  explicit OutOfMemory(const std::string& message) : Error(message, ExitCode::kMemory) {}
};

/// The user stopped the run; what is finished stays (exit 130).
class Cancelled : public Error {
 public:
  Cancelled() : Error("interrupted", ExitCode::kInterrupted) {}
};

}  // namespace sd
