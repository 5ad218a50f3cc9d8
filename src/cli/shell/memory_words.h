#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/memory_limits.h"

namespace sd::cli {

/// What a run needs, in bytes, as far as it is known beforehand.
struct MemoryNeed {
  int64_t least = 0;          // with less it is killed for certain
  int64_t usual = 0;          // resident, of which the model's file may be a part
  int64_t address_space = 0;  // what `ulimit -v` counts
  int64_t gradients = 0;      // of `usual`, what gradients take
  bool draws = false;         // so that --dtype and sizes of pictures change it
};

/// Remembered by this half of the program for messages of a failure; of the last run.
void remember_need(const MemoryNeed& need);

/// "300 MB", "5.2 GB": decimal units, as files are told in.
std::string memory_text(int64_t bytes);

/// What is needed, what limits it, and what to do: the lines below "out of memory". `limits` are
/// all that hold for this process, `available` what the machine has left.
std::string memory_advice(const MemoryNeed& need, const std::vector<MemoryLimit>& limits,
                          int64_t available);
/// The same of the remembered need and of this process.
std::string memory_advice();

/// A message of a lack of memory with that advice, unless it has its own: a GPU's memory is
/// another.
std::string with_memory_advice(std::string message);

}  // namespace sd::cli
