#include "trainer/train_log.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "sd/core/error.h"

namespace sd::train {

std::string json_of(const TrainPoint& point) {
  nlohmann::ordered_json line = {{"stage", point.stage},
                                 {"step", point.step},
                                 {"pictures", point.pictures},
                                 {"total_pictures", point.total_pictures},
                                 {"pictures_per_second", point.pictures_per_second},
                                 {"learning_rate", point.learning_rate},
                                 {"gradient_norm", point.gradient_norm}};
  for (const auto& [name, value] : point.losses) line["loss"][name] = value;
  return line.dump();
}

std::string progress_of(const TrainPoint& point) {
  const auto done = static_cast<double>(point.pictures);
  const auto total = static_cast<double>(point.total_pictures);
  auto text =
      fmt::format("{} {:.1f} %  {} of {} pictures  {:.0f}/s", point.stage, 100 * done / total,
                  point.pictures, point.total_pictures, point.pictures_per_second);
  for (const auto& [name, value] : point.losses) text += fmt::format("  {} {:.4f}", name, value);
  if (point.pictures_per_second > 0) {
    const auto minutes =
        static_cast<int64_t>((total - done) / point.pictures_per_second / 60 + 0.5);
    text += fmt::format("  {} h {:02} min left", minutes / 60, minutes % 60);
  }
  return text;
}

TrainLog::TrainLog(const std::filesystem::path& folder) : path_(folder / "log.jsonl") {
  std::error_code ignored;
  if (std::filesystem::is_fifo(path_, ignored)) {  // which would wait for a reader
    throw IoError(fmt::format("{}: expected a file, found a FIFO", path_.string()));
  }
  file_.open(path_, std::ios::app);
  if (!file_) throw IoError(fmt::format("{}: cannot be written", path_.string()));
}

void TrainLog::write(const TrainPoint& point) {
  file_ << json_of(point) << '\n' << std::flush;
  if (!file_) {
    throw IoError(fmt::format("{}: writing failed; is the disk full?", path_.string()));
  }
}

}  // namespace sd::train
