#pragma once

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "cli/tiny_run.h"

namespace sd::test {

/// Runs with a terminal as stderr and returns what it showed.
inline std::string run_on_terminal(const TinyRun& run, const std::string& kind,
                                   const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  winsize size{24, 100, 0, 0};
  if (openpty(&ends[0], &ends[1], nullptr, nullptr, &size) != 0) return "no terminal";
  auto setup = run.setup(arguments);
  setup.environment.emplace_back("TERM", kind);
  setup.stderr_descriptor = ends[1];
  Process process(setup);
  close(ends[1]);
  std::string shown;
  std::array<char, 4096> piece{};
  // Reading fails once the last holder of the other end is gone.
  for (ssize_t count = 0; (count = read(ends[0], piece.data(), piece.size())) > 0;) {
    shown.append(piece.data(), static_cast<std::size_t>(count));
  }
  close(ends[0]);
  EXPECT_EQ(process.wait().code, 0) << shown;
  return shown;
}

}  // namespace sd::test
