#include "cli/shell/standard_streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>

#include "cli/shell/text_output.h"
#include "core/posix_file.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF; }

/// Where the working folder was, as far as anybody knows.
std::string working_folder() {
  constexpr std::string_view kMark = " (deleted)";  // as the kernel appends it
  std::error_code error;
  auto name = std::filesystem::read_symlink("/proc/self/cwd", error).string();
  if (name.ends_with(kMark)) name.resize(name.size() - kMark.size());
  return name.empty() ? "the working folder" : name;
}

}  // namespace

void prepare_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (is_open(descriptor)) continue;
    // The lowest number that is free, which is this one: those below are open by now.
    if (::open("/dev/null", O_RDWR) == descriptor) continue;
    print_message(fmt::format("/dev/null cannot be opened in place of the closed descriptor {}: {}",
                              descriptor, errno_message(errno)));
    _exit(static_cast<int>(ExitCode::kInputOutput));
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

void require_working_folder() {
  std::error_code error;
  const auto here = std::filesystem::current_path(error);
  if (!error && !here.empty()) return;
  if (error == std::errc::no_such_file_or_directory) {
    throw IoError(fmt::format(
        "{}: this working folder was deleted, so that relative paths lead nowhere\nGo to one that "
        "exists ('cd ~') and start again.",
        working_folder()));
  }
  throw IoError(
      fmt::format("{}: the working folder cannot be used: {}", working_folder(), error.message()));
}

int conclude_output(int code, int error, int error_of_engine) {
  if (error == 0) error = error_of_engine;
  if (error == 0) return code;
  const bool all_well = code == static_cast<int>(ExitCode::kDone);
  print_message(fmt::format("not all output could be delivered: standard output: {}{}",
                            errno_message(error),
                            all_well ? "\nFiles that were to be written are complete." : ""));
  return all_well ? static_cast<int>(ExitCode::kInputOutput) : code;
}

void end_process(int code) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::exit(code);
#else
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  _exit(code);
#endif
}

}  // namespace sd::cli
