#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/draw/kept_model.h"
#include "cli/draw/run_records.h"
#include "cli/draw/run_words.h"
#include "cli/record/output_folder.h"
#include "sd/image/image.h"

namespace sd::cli {

/// The picture files of a run: each says how it was made and lies where it belongs in the output
/// folder.
class PictureFiles {
 public:
  /// Makes the folders. Throws IoError if they cannot be written. All of these must outlive it.
  PictureFiles(const Drawing& drawing, RunRecords& records, KeptModel& kept, RunWords& words);

  /// A task's pictures have its number. Those that are there already are of a process that was
  /// killed before it could say so.
  std::filesystem::path write_sample(const PictureRecord& record, const Image& picture);
  std::filesystem::path write_source(const PictureRecord& record, const Image& picture,
                                     const std::filesystem::path& sample);

  // Of `pictures` pictures, of which `first` is the first; a grid says what that says.
  std::filesystem::path write_grid(const PictureRecord& first, const Image& grid,
                                   std::size_t pictures);
  std::filesystem::path write_named_grid(const PictureRecord& first, const Image& grid,
                                         std::size_t pictures, const std::string& prompt,
                                         std::string_view suffix);
  std::filesystem::path write_sheet(const PictureRecord& first, const Image& sheet,
                                    std::size_t pictures);

  /// The pictures of a task that is resumed, if every one of them is there to its end and says that
  /// it was drawn with all of its settings. Maps, latents and grids are drawn again.
  std::optional<std::vector<std::filesystem::path>> find_all();

 private:
  struct Encoded {
    std::vector<std::byte> bytes;
    std::optional<FileFormat> instead;  // of the run's format, which cannot hold so large a picture
  };
  Encoded encoded(const PictureRecord& record, const Image& picture);
  Encoded encoded_grid(PictureRecord first, const Image& grid, std::size_t pictures);
  bool may_be_there() const;
  bool finds(const PictureRecord& record, std::vector<std::filesystem::path>& found) const;
  NameFields task_fields(const PictureRecord& record) const;
  std::string task_suffix(const PictureRecord& record) const;
  TaskSettings task_settings(const PictureRecord& record) const;
  void say_replaced();

  const DrawPlan& plan_;
  RunRecords& records_;
  KeptModel& kept_;
  RunWords& words_;
  OutputFolder folder_;
  bool said_too_long_ = false;
};

}  // namespace sd::cli
