#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/options/name_template.h"
#include "cli/options/picture_options.h"
#include "sd/image/encode.h"

namespace sd::cli {

/// The files of `--save-latents`.
inline constexpr const char* kLatentsName = "latents.npy";
inline constexpr const char* kSourceLatentsName = "source_latents.npy";

/// One more than the highest number among the pictures of `folder` named prefix, at least `digits`
/// digits, the ending of a FileFormat; 0 if there are none or no such folder.
int64_t next_number(const std::filesystem::path& folder, std::string_view prefix,
                    std::size_t digits);

/// What a task's picture says of itself, and of a swap the source beside it.
struct TaskSettings {
  nlohmann::ordered_json sample;
  std::optional<nlohmann::ordered_json> source = std::nullopt;
};

/// Where a run puts its pictures, named as the original script names them unless told otherwise:
/// `samples/00000.png`, `grid-0000.png`, counting on from the highest number there, whatever the
/// ending. Nothing is ever overwritten, whoever else writes there.
class OutputFolder {
 public:
  /// Makes the folders and proves that they can be written. Throws IoError. What is `confined`
  /// follows no link below `outdir` (confined_paths.h): UsageError where one stands in the way.
  explicit OutputFolder(std::filesystem::path outdir, FileFormat format = FileFormat::kPng,
                        NameTemplate names = NameTemplate::parse(kDefaultName),
                        bool confined = false);

  /// Writes the bytes of a picture into `samples/`, under the name that the template makes of
  /// `fields` (their `number` is filled in), and returns its path. Where a name without a number is
  /// taken, "-0001" and on follow it. Throws IoError (disk full, folder gone).
  std::filesystem::path write_sample(std::span<const std::byte> file, NameFields fields = {});
  /// The same for a task, whose number is in `fields`; `suffix` tells apart the pictures of one
  /// task where the template is nothing but that number. Keeps what is there already under that
  /// name if it says `settings` of itself: a process that drew it was killed before it could note
  /// so. What is left of such a picture, which was cut short, is replaced. Where it is something
  /// else, "-0001" and on follow the name.
  std::filesystem::path write_task_sample(std::span<const std::byte> file, const NameFields& fields,
                                          const std::string& suffix, const TaskSettings& settings);
  /// The picture that write_task_sample would keep; nothing if there is none.
  std::optional<std::filesystem::path> find_task_sample(const NameFields& fields,
                                                        const std::string& suffix,
                                                        const TaskSettings& settings) const;
  /// These take another format than the folder's for a picture that it cannot hold.
  std::filesystem::path write_grid(std::span<const std::byte> file,
                                   std::optional<FileFormat> instead = std::nullopt);

  /// Writes a swap's source under the name of `sample`, in `source/`; one that says `settings` of
  /// itself is kept, what is left of it replaced.
  std::filesystem::path write_source(std::span<const std::byte> file,
                                     const std::filesystem::path& sample,
                                     const nlohmann::ordered_json* settings = nullptr);
  /// Whether the source that write_source would keep is there.
  bool has_source(const std::filesystem::path& sample,
                  const nlohmann::ordered_json& settings) const;
  /// The pictures that were replaced since this was asked last.
  std::vector<std::filesystem::path> take_replaced() { return std::exchange(replaced_, {}); }
  /// Writes `<name><suffix>.png`, or where that is taken `<name><suffix>-0001.png` and on.
  std::filesystem::path write_named(std::span<const std::byte> file, const std::string& name,
                                    std::string_view suffix,
                                    std::optional<FileFormat> instead = std::nullopt);
  /// Writes `sheet-0000.png` and on.
  std::filesystem::path write_sheet(std::span<const std::byte> file,
                                    std::optional<FileFormat> instead = std::nullopt);

 private:
  std::filesystem::path next_path(NameFields& fields, int64_t attempt);
  int64_t& next_in(const std::filesystem::path& folder);
  bool is_taken(const std::filesystem::path& name,
                const nlohmann::ordered_json* own_source = nullptr) const;
  void check_confined(const std::filesystem::path& path) const;
  bool replace_remainder(const std::filesystem::path& path, std::span<const std::byte> file,
                         const nlohmann::ordered_json& settings);
  std::string_view ending(std::optional<FileFormat> instead = std::nullopt) const {
    return file_ending(instead.value_or(format_));
  }

  std::filesystem::path outdir_;
  std::filesystem::path samples_;
  std::filesystem::path sources_;
  FileFormat format_;
  NameTemplate names_;
  std::map<std::filesystem::path, int64_t> next_;  // number in a folder below samples_
  std::optional<int64_t> next_grid_;               // once the folder was looked through
  bool confined_;
  std::vector<std::filesystem::path> replaced_;
};

}  // namespace sd::cli
