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

/// Whether there are any, in `dir`/crossatt or in `dir` itself.
bool holds_saved_maps(const std::filesystem::path& dir);

/// Where `--is_get_attn` writes the maps of a batch: DIR/crossatt for the first, then
/// DIR/batch-0001/crossatt and on, as equal names would meet in one folder.
std::filesystem::path saved_maps_folder(const std::filesystem::path& dir, int64_t batch);

/// How many samples the batches before that of `dir` have, if it is DIR/batch-0001 or a later one:
/// where its pictures begin in the run's grid. 0 for every other folder.
int64_t samples_before(const std::filesystem::path& dir);

/// Resolutions up to this one are counted, larger ones are latent pixels.
inline constexpr int64_t kMostCounted = 3;

/// Which files are summed, as the fork counts. Levels are 0 down, 1 middle, 2 up; times count the
/// saved timesteps from the last one sampled (1 at 50 steps) to the first (981). Ends are included.
struct SavedChoice {
  int64_t first_level = 0;
  int64_t last_level = 2;
  int64_t first_time = 0;
  std::optional<int64_t> last_time;  // absent: all of them
  int64_t resolution = 1;  // 0 the middle's; 1 to 3 those of down and up from the smallest
                           // (16, 32, 64 at 512 pixels); beyond that latent pixels
  int64_t token = 3;
};

/// Maps of one token, [samples,height,width], summed over files.
struct SavedSum {
  int64_t samples = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t resolution = 0;
  std::size_t files = 0;
  std::vector<float> values;
  int64_t last_time = 0;  // of the choice
};

/// Sums what is chosen of `files`, all blocks of a level. Values that are not finite count as 0.
/// Throws UsageError if nothing is chosen (saying what there is) or the token does not exist,
/// IoError for a file that is not an array [samples,h,w,tokens] float32 alike to the others.
SavedSum sum_saved_maps(const std::vector<SavedFile>& files, const SavedChoice& choice);

}  // namespace sd::cli
