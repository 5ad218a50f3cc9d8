#include "cli/shell/time_notice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/shell/text_output.h"

namespace sd::cli {
namespace {

constexpr double kMinute = 60, kHour = 3600;
constexpr double kLong = 2 * kMinute;

std::string counted_number(int64_t count, std::string_view noun) {
  return counted(static_cast<std::size_t>(count), noun);
}

}  // namespace

std::string about_text(double seconds) {
  if (seconds < 1.5 * kMinute) {
    const auto tens = std::max<int64_t>(std::llround(seconds / 10), 1) * 10;
    return fmt::format("{} seconds", tens);
  }
  if (seconds < 1.5 * kHour) return fmt::format("{} minutes", std::llround(seconds / kMinute));
  return fmt::format("{:.1f} hours", seconds / kHour);
}

std::string size_of_run(const RunSize& run) {
  return fmt::format("{} of {}x{} in {}, {} each", counted_number(run.pictures, "picture"),
                     run.width, run.height,
                     run.batches == 1 ? "1 batch" : fmt::format("{} batches", run.batches),
                     counted_number(run.steps, "step"));
}

std::string estimate_notice(const RunSize& run, double seconds_a_step) {
  const double batch = seconds_a_step * static_cast<double>(run.steps);
  const double all = batch * static_cast<double>(run.batches);
  if (all < kLong || run.pictures < 2) return {};
  const double one = all / static_cast<double>(run.pictures);
  return fmt::format(
      "these {} will take about {} on this CPU\nOne picture takes about {}: --n_samples 1 --n_iter "
      "1.",
      counted_number(run.pictures, "picture"), about_text(all), about_text(one));
}

}  // namespace sd::cli
