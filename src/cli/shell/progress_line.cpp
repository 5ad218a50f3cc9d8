#include "cli/shell/progress_line.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "cli/shell/text_output.h"

namespace sd::cli {
namespace {

constexpr std::chrono::milliseconds kRedrawEvery{100};
constexpr std::size_t kDefaultColumns = 80;
constexpr int64_t kBarCells = 20;

std::string cut_line(const std::string& text, std::size_t columns) {
  return columns < 2 ? std::string() : shorten(printable(text), columns - 1);
}

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kDefaultColumns;
}

std::string which_pictures(const RunProgress& progress) {
  if (progress.first_picture == progress.last_picture) {
    return fmt::format("picture {} of {}", progress.last_picture, progress.pictures);
  }
  return fmt::format("pictures {}-{} of {}", progress.first_picture, progress.last_picture,
                     progress.pictures);
}

std::string describe(const RunProgress& progress) {
  const auto& stage = progress.stage;
  switch (stage.stage) {
    case Progress::Stage::kLoad:
      return fmt::format("loading {} {}", progress.model, progress_bar(stage.done, stage.total));
    case Progress::Stage::kEncode:
      return fmt::format("{}: reading the prompt", which_pictures(progress));
    case Progress::Stage::kDecode:
      return fmt::format("{}: decoding", which_pictures(progress));
    case Progress::Stage::kSample:
      break;
  }
  auto text = fmt::format("{} {} step {}/{}", which_pictures(progress),
                          progress_bar(stage.done, stage.total), stage.done, stage.total);
  if (progress.steps_per_second > 0) {
    text += fmt::format(", {:.2f} steps/s, {} left", progress.steps_per_second,
                        clock_text(progress.seconds_left));
  }
  return text;
}

}  // namespace

void StepRate::begin_batch(double now) {
  steps_before_ += batch_steps_;
  seconds_before_ += batch_seconds_;
  batch_began_ = now;
  batch_steps_ = 0;
  batch_seconds_ = 0;
}

void StepRate::finished(int64_t done, double now) {
  batch_steps_ = done;
  batch_seconds_ = now - batch_began_;
}

double StepRate::per_second() const {
  const double seconds = seconds_before_ + batch_seconds_;
  return seconds > 0 ? static_cast<double>(steps_before_ + batch_steps_) / seconds : 0;
}

std::string finished_text(const FinishedPicture& picture) {
  const auto whole = fmt::format("picture {} of {}", picture.number, picture.pictures);
  const bool first = picture.first_of_batch == 1;
  const auto in_all = first ? std::string() : fmt::format("{:.1f} s in all", picture.run_seconds);
  if (picture.first_of_batch == picture.last_of_batch) {
    return fmt::format("{} in {:.1f} s{}", whole, picture.batch_seconds,
                       first ? "" : fmt::format(" ({})", in_all));
  }
  return fmt::format("{} ({}-{} together in {:.1f} s{}{})", whole, picture.first_of_batch,
                     picture.last_of_batch, picture.batch_seconds, first ? "" : ", ", in_all);
}

std::string clock_text(double seconds) {
  const auto whole = std::llround(std::max(0.0, seconds));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string render_progress(const RunProgress& progress, std::size_t columns) {
  return cut_line(describe(progress), columns);
}

std::string progress_bar(int64_t done, int64_t total) {
  const int64_t filled =
      total > 0 ? std::clamp<int64_t>(done * kBarCells / total, 0, kBarCells) : 0;
  return fmt::format("[{:=<{}}{:<{}}]", "", filled, "", kBarCells - filled);
}

bool wants_progress_line(bool quiet) {
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::strcmp(terminal, "dumb") == 0;
  return !quiet && !dumb && isatty(STDERR_FILENO) == 1;
}

void ProgressLine::update(const RunProgress& progress) {
  show(describe(progress), progress.stage.done == progress.stage.total);
}

void ProgressLine::show(const std::string& whole, bool at_once) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (width_ > 0 && !at_once && now - drawn_ < kRedrawEvery) return;
  drawn_ = now;
  // The last column stays free: writing there would wrap the line on some terminals.
  const auto text = cut_line(whole, terminal_columns() - 1);
  const auto line = fmt::format("\r{:<{}}\r{}", "", width_, text);
  std::fwrite(line.data(), 1, line.size(), stderr);
  width_ = text.size();
}

void ProgressLine::clear() {
  if (width_ == 0) return;
  const auto line = fmt::format("\r{:<{}}\r", "", width_);
  std::fwrite(line.data(), 1, line.size(), stderr);
  width_ = 0;
}

}  // namespace sd::cli
