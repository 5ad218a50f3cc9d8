#include "cli/maps/attn_saved.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <set>
#include <string_view>
#include <system_error>

#include "sd/core/error.h"
#include "sd/core/npy.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 3> kLevels = {"down", "middle", "up"};
constexpr const char* kFolder = "crossatt";
constexpr std::string_view kBatchPrefix = "batch-";
constexpr std::size_t kBatchDigits = 4;
constexpr std::size_t kMaxFiles = 200'000;            // 1000 steps of a model with 200 layers
constexpr std::uintmax_t kMaxFileBytes = 512u << 20;  // 26 samples at 128x128 latents
constexpr int64_t kMaxSamples = 4096;
constexpr int64_t kMaxSide = 1024;
constexpr int64_t kMaxTokens = 4096;

/// Takes `word` and a number of `digits` digits or more off the front of `text`.
std::optional<int64_t> take_number(std::string_view& text, std::string_view word,
                                   std::size_t digits) {
  constexpr std::size_t kMaxDigits = 9;
  if (!text.starts_with(word)) return std::nullopt;
  text.remove_prefix(word.size());
  const auto length = std::min(text.find_first_not_of("0123456789"), text.size());
  if (length < digits || length > kMaxDigits) return std::nullopt;
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + length, number);
  text.remove_prefix(length);
  return number;
}

std::vector<SavedFile> files_in(const fs::path& folder) {
  std::vector<SavedFile> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    auto file = parse_saved_name(entry->path());
    if (!file) continue;
    files.push_back(std::move(*file));
    if (files.size() > kMaxFiles) {
      throw IoError(fmt::format("{}: more than {} maps", folder.string(), kMaxFiles));
    }
  }
  std::ranges::sort(files, {}, &SavedFile::path);  // sums are rounded in one order only
  return files;
}

std::vector<SavedFile> maps_in(const fs::path& dir) {
  auto files = files_in(dir / kFolder);
  return files.empty() ? files_in(dir) : files;
}

std::set<int64_t> resolutions_of(const std::vector<SavedFile>& files) {
  std::set<int64_t> sides;
  for (const auto& file : files) sides.insert(file.resolution);
  return sides;
}

/// Drops files of other timesteps. Returns the number of the last one that is kept.
int64_t choose_times(std::vector<SavedFile>& files, const SavedChoice& choice) {
  std::set<int64_t> times;
  for (const auto& file : files) times.insert(file.time);
  const auto count = static_cast<int64_t>(times.size());
  const int64_t last = choice.last_time.value_or(count - 1);
  if (choice.first_time > last || last >= count) {
    throw UsageError(
        fmt::format("--stime {} --etime {}: there are maps of {} timesteps, counted from the last, "
                    "0 (t = {}), to the first, {} (t = {})",
                    choice.first_time, last, count, *times.begin(), count - 1, *times.rbegin()));
  }
  const int64_t from = *std::next(times.begin(), choice.first_time);
  const int64_t to = *std::next(times.begin(), last);
  std::erase_if(files, [&](const SavedFile& file) { return file.time < from || file.time > to; });
  return last;
}

void choose_levels(std::vector<SavedFile>& files, const SavedChoice& choice) {
  if (choice.first_level > choice.last_level) {
    throw UsageError(fmt::format("--slevel {} --elevel {}: the first is behind the last",
                                 choice.first_level, choice.last_level));
  }
  const auto chosen = [&](const SavedFile& file) {
    const auto level = std::ranges::find(kLevels, file.part) - kLevels.begin();
    return level >= choice.first_level && level <= choice.last_level;
  };
  std::erase_if(files, [&](const SavedFile& file) { return !chosen(file); });
  if (!files.empty()) return;
  throw UsageError(
      fmt::format("--slevel {} --elevel {}: there are no maps of these levels\n"
                  "Levels are 0 down, 1 middle, 2 up.",
                  choice.first_level, choice.last_level));
}

/// The latent pixels that `wanted` means among all the maps that were saved.
int64_t meant_resolution(const std::vector<SavedFile>& all, int64_t wanted) {
  if (wanted > kMostCounted) return wanted;
  std::vector<SavedFile> outer, middle;
  for (const auto& file : all) (file.part == "middle" ? middle : outer).push_back(file);
  if (wanted == 0) {
    const auto known = resolutions_of(middle.empty() ? outer : middle);
    if (known.size() == 1) return *known.begin();
    throw UsageError(
        fmt::format("--res 0: there are no maps of the middle; down and up have "
                    "resolution {}",
                    fmt::join(known, ", ")));
  }
  const auto known = resolutions_of(outer);
  const auto count = static_cast<int64_t>(known.size());
  if (wanted <= count) return *std::next(known.begin(), wanted - 1);
  if (count == 0) {
    throw UsageError(
        fmt::format("--res {}: all maps are of the middle, whose resolution is --res 0 (with "
                    "--slevel 1 --elevel 1, or --is_mid)",
                    wanted));
  }
  throw UsageError(
      fmt::format("--res {}: down and up have {} resolution(s), counted from 1: {}\n"
                  "0 is the middle's, numbers above {} are latent pixels.",
                  wanted, count, fmt::join(known, ", "), kMostCounted));
}

void choose_resolution(std::vector<SavedFile>& files, int64_t wanted, int64_t meant) {
  const auto known = resolutions_of(files);
  std::erase_if(files, [&](const SavedFile& file) { return file.resolution != meant; });
  if (!files.empty()) return;
  throw UsageError(fmt::format("--res {}{}: maps of these levels have resolution {}", wanted,
                               wanted == meant ? "" : fmt::format(" (that is {})", meant),
                               fmt::join(known, ", ")));
}

[[noreturn]] void fail_shape(const SavedFile& file, const std::vector<int64_t>& shape,
                             std::string_view expected) {
  throw IoError(fmt::format("{}: expected {}, found an array of shape ({})", file.path.string(),
                            expected, fmt::join(shape, ", ")));
}

NpyArray read_maps(const SavedFile& file) {
  std::error_code error;
  const auto bytes = fs::file_size(file.path, error);
  if (!error && bytes > kMaxFileBytes) {
    throw IoError(fmt::format("{}: {} bytes are too many for maps of one layer, at most {}",
                              file.path.string(), bytes, kMaxFileBytes));
  }
  auto array = read_npy(file.path);
  const auto& shape = array.shape;
  const auto within = [](int64_t value, int64_t most) { return value >= 1 && value <= most; };
  const bool fits = shape.size() == 4 && within(shape[0], kMaxSamples) &&
                    within(shape[1], kMaxSide) && within(shape[2], kMaxSide) &&
                    within(shape[3], kMaxTokens);
  if (!fits) fail_shape(file, shape, "maps (samples, height, width, tokens)");
  if (std::min(shape[1], shape[2]) != file.resolution) {
    fail_shape(file, shape, fmt::format("a shorter side of {}, as its name says", file.resolution));
  }
  return array;
}

void add_token(SavedSum& sum, const NpyArray& array, int64_t token) {
  const auto tokens = static_cast<std::size_t>(array.shape[3]);
  for (std::size_t i = 0; i < sum.values.size(); ++i) {
    const float value = array.values[i * tokens + static_cast<std::size_t>(token)];
    if (std::isfinite(value)) sum.values[i] += value;
  }
}

}  // namespace

std::optional<SavedFile> parse_saved_name(const fs::path& path) {
  const auto name = path.filename().string();
  for (const std::string_view part : kLevels) {
    std::string_view rest = name;
    if (!rest.starts_with(part)) continue;
    rest.remove_prefix(part.size());
    const auto time = take_number(rest, "_time", 4);
    const auto resolution = time ? take_number(rest, "_res", 3) : std::nullopt;
    if (!resolution) return std::nullopt;
    if (part != "middle" && !take_number(rest, "_num", 3)) return std::nullopt;
    if (rest != ".npy") return std::nullopt;
    return SavedFile{path, std::string(part), *time, *resolution};
  }
  return std::nullopt;
}

std::vector<SavedFile> list_saved_maps(const fs::path& dir) {
  std::error_code error;
  if (!fs::is_directory(dir, error)) {
    throw IoError(fmt::format("--from: {} {}", dir.string(),
                              fs::exists(dir, error) ? "is not a folder" : "does not exist"));
  }
  auto files = maps_in(dir);
  if (files.empty()) {
    throw IoError(
        fmt::format("--from: {} has no maps such as crossatt/down_time0981_res016_num001.npy\n"
                    "'--is_get_attn --save_attn_dir DIR' writes them while drawing.",
                    dir.string()));
  }
  return files;
}

bool holds_saved_maps(const fs::path& dir) { return !maps_in(dir).empty(); }

fs::path saved_maps_folder(const fs::path& dir, int64_t batch) {
  const auto folder = fmt::format("{}{:0{}}", kBatchPrefix, batch, kBatchDigits);
  return (batch == 0 ? dir : dir / folder) / kFolder;
}

int64_t samples_before(const fs::path& dir) {
  // "maps/batch-0001/" and "." within it are that folder too.
  std::error_code error;
  auto whole = fs::canonical(dir, error);
  if (whole.filename() == kFolder) whole = whole.parent_path();
  const auto name = whole.filename().string();
  std::string_view rest = name;
  const auto batch = take_number(rest, kBatchPrefix, kBatchDigits);
  if (error || !batch || !rest.empty()) return 0;
  int64_t samples = 0;
  for (int64_t earlier = 0; earlier < *batch; ++earlier) {
    const auto files = files_in(saved_maps_folder(whole.parent_path(), earlier));
    if (files.empty()) return 0;  // somebody else's folder
    samples += read_maps(files.front()).shape[0];
  }
  return samples;
}

SavedSum sum_saved_maps(const std::vector<SavedFile>& all, const SavedChoice& choice) {
  auto files = all;
  SavedSum sum;
  sum.last_time = choose_times(files, choice);
  choose_levels(files, choice);
  sum.resolution = meant_resolution(all, choice.resolution);
  choose_resolution(files, choice.resolution, sum.resolution);
  std::vector<int64_t> shape;
  for (const auto& file : files) {
    const auto array = read_maps(file);
    if (shape.empty()) {
      shape = array.shape;
      if (choice.token >= shape[3]) {
        throw UsageError(fmt::format("--token_idx {}: tokens are counted from 0 to {}",
                                     choice.token, shape[3] - 1));
      }
      sum.samples = shape[0];
      sum.height = shape[1];
      sum.width = shape[2];
      sum.values.resize(static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
    }
    if (array.shape != shape) {
      fail_shape(file, array.shape,
                 fmt::format("({}) as the files before it", fmt::join(shape, ", ")));
    }
    add_token(sum, array, choice.token);
    ++sum.files;
  }
  return sum;
}

}  // namespace sd::cli
