#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sd::cli {

/// The files of `--save-latents`.
inline constexpr const char* kLatentsName = "latents.npy";
inline constexpr const char* kSourceLatentsName = "source_latents.npy";

/// One more than the highest number among the files of `folder` named prefix, at least `digits`
/// digits, ".png"; 0 if there are none or no such folder.
int64_t next_number(const std::filesystem::path& folder, std::string_view prefix,
                    std::size_t digits);

/// Where a run puts its pictures, named as the original script names them: `samples/00000.png`,
/// `grid-0000.png`, counting on from the highest number there. Nothing is ever overwritten, whoever
/// else writes there.
class OutputFolder {
 public:
  /// Makes the folders and proves that they can be written. Throws IoError.
  explicit OutputFolder(std::filesystem::path outdir);

  /// Writes the bytes of a PNG and returns its path. Throws IoError (disk full, folder gone).
  std::filesystem::path write_sample(std::span<const std::byte> png);
  /// Writes `samples/<name>.png` of a task, or keeps what is there already if it says `settings` of
  /// itself: a process that drew it was killed before it could note so. Throws IoError if it is
  /// something else.
  std::filesystem::path write_task_sample(std::span<const std::byte> png, const std::string& name,
                                          const nlohmann::ordered_json& settings);
  std::filesystem::path write_grid(std::span<const std::byte> png);

  /// Writes a swap's source under the number of `sample`, in `source/`.
  std::filesystem::path write_source(std::span<const std::byte> png,
                                     const std::filesystem::path& sample);
  /// Writes `<name><suffix>.png`, or where that is taken `<name><suffix>-0001.png` and on.
  std::filesystem::path write_named(std::span<const std::byte> png, const std::string& name,
                                    std::string_view suffix);
  /// Writes `sheet-0000.png` and on.
  std::filesystem::path write_sheet(std::span<const std::byte> png);

 private:
  std::filesystem::path outdir_;
  std::filesystem::path samples_;
  std::optional<int64_t> next_sample_, next_grid_;  // once the folders were looked through
};

}  // namespace sd::cli
