#pragma once

#include <cstdint>
#include <string>

namespace sd::cli {

/// How much a run has to draw.
struct RunSize {
  int64_t pictures = 1;
  int64_t batches = 1;
  int64_t steps = 50;  // of each batch
  int64_t width = 512;
  int64_t height = 512;
};

/// "40 seconds", "25 minutes", "2.5 hours": rounded as an estimate is.
std::string about_text(double seconds);

/// What is going to be drawn: "6 pictures of 512x512 in 2 batches, 50 steps each".
std::string size_of_run(const RunSize& run);

/// How long that takes at so many seconds a step of a batch, and how to draw a single picture;
/// empty where it is not long.
std::string estimate_notice(const RunSize& run, double seconds_a_step);

}  // namespace sd::cli
