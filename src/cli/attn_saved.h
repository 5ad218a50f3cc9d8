#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sd::cli {

/// A file of the fork's: "down_time0981_res016_num001.npy", "middle_time0981_res008.npy".
struct SavedFile {
  std::filesystem::path path;
  std::string part;  // "down", "middle", "up"
  int64_t time = 0;  // DDPM timestep
  int64_t resolution = 0;
};

/// Reads a file's name; nothing if it is not one of the fork's.
std::optional<SavedFile> parse_saved_name(const std::filesystem::path& path);

/// The files in `dir`/crossatt, or in `dir` itself. Throws IoError if there are none.
std::vector<SavedFile> list_saved_maps(const std::filesystem::path& dir);

/// Which files are summed. Levels are 0 down, 1 middle, 2 up; times count the recorded timesteps in
/// the order of sampling, from 0. Ends are included.
struct SavedChoice {
  int64_t first_level = 0;
  int64_t last_level = 2;
  int64_t first_time = 0;
  std::optional<int64_t> last_time;  // absent: the last one
  int64_t resolution = 16;           // 0: the only one there is
  int64_t token = 1;
};

/// Maps of one token, [samples,height,width], summed over files.
struct SavedSum {
  int64_t samples = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t resolution = 0;
  std::size_t files = 0;
  std::vector<float> values;
};

/// Sums what is chosen of `files`, all blocks of a level. Values that are not finite count as 0.
/// Throws UsageError if nothing is chosen (saying what there is) or the token does not exist,
/// IoError for a file that is not an array [samples,h,w,tokens] float32 alike to the others.
SavedSum sum_saved_maps(const std::vector<SavedFile>& files, const SavedChoice& choice);

}  // namespace sd::cli
