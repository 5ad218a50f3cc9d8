#include "cli/draw/picture_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/options/attn_words.h"
#include "cli/plan/run_extent.h"
#include "sd/image/encode.h"

namespace sd::cli {

PictureFiles::PictureFiles(const Drawing& drawing, RunRecords& records, KeptModel& kept,
                           RunWords& words)
    : plan_(drawing.plan),
      records_(records),
      kept_(kept),
      words_(words),
      folder_(plan_.options.folder(), plan_.options.picture.format,
              NameTemplate::parse(plan_.options.picture.name), plan_.options.batch.confined) {}

std::filesystem::path PictureFiles::write_sample(const PictureRecord& record,
                                                 const Image& picture) {
  const auto file = encoded(record, picture);
  if (!plan_.place || !plan_.place->picture_number)
    return folder_.write_sample(file.bytes, name_fields_of(records_.run_of(record), record));
  const auto path = folder_.write_task_sample(file.bytes, task_fields(record), task_suffix(record),
                                              task_settings(record));
  say_replaced();
  return path;
}

std::filesystem::path PictureFiles::write_source(const PictureRecord& record, const Image& picture,
                                                 const std::filesystem::path& sample) {
  const auto settings = settings_of(records_.run_of(record), record);
  const auto path = folder_.write_source(encoded(record, picture).bytes, sample,
                                         plan_.place ? &settings : nullptr);
  say_replaced();
  return path;
}

std::filesystem::path PictureFiles::write_grid(const PictureRecord& first, const Image& grid,
                                               std::size_t pictures) {
  const auto file = encoded_grid(first, grid, pictures);
  return folder_.write_grid(file.bytes, file.instead);
}

std::filesystem::path PictureFiles::write_named_grid(const PictureRecord& first, const Image& grid,
                                                     std::size_t pictures,
                                                     const std::string& prompt,
                                                     std::string_view suffix) {
  const auto file = encoded_grid(first, grid, pictures);
  return folder_.write_named(file.bytes, file_name_part(prompt), suffix, file.instead);
}

std::filesystem::path PictureFiles::write_sheet(const PictureRecord& first, const Image& sheet,
                                                std::size_t pictures) {
  const auto file = encoded_grid(first, sheet, pictures);
  return folder_.write_sheet(file.bytes, file.instead);
}

/// The file of a picture or grid that says how it was made, as far as the format has room for it.
PictureFiles::Encoded PictureFiles::encoded(const PictureRecord& record, const Image& picture) {
  records_.know_hashes(kept_);
  auto encoding = plan_.options.picture.encoding();
  std::optional<FileFormat> instead;
  if (std::max(picture.width, picture.height) > longest_side(encoding.format)) {
    words_.say(fmt::format("the grid becomes a PNG: {}x{} pixels are too many for its format",
                           picture.width, picture.height));
    encoding.format = FileFormat::kPng;
    instead = encoding.format;
  }
  auto all = png_texts(records_.run_of(record), record);
  const auto count = all.size();
  const auto texts = texts_that_fit(encoding.format, std::move(all));
  if (texts.size() < count && !std::exchange(said_too_long_, true)) {
    words_.say(
        fmt::format("a JPEG has no room for all settings of prompts as long as these: {}; png and "
                    "webp have",
                    texts.empty() ? "it says nothing of itself" : "only the infotext is kept"));
  }
  return {encode_picture(picture, encoding, texts), instead};
}

PictureFiles::Encoded PictureFiles::encoded_grid(PictureRecord first, const Image& grid,
                                                 std::size_t pictures) {
  first.grid = static_cast<int64_t>(pictures);
  return encoded(first, grid);
}

/// Only a list that is resumed meets its own pictures, and only pictures tell what they are.
bool PictureFiles::may_be_there() const {
  const auto& options = plan_.options;
  return options.batch.resume && plan_.place && plan_.place->picture_number &&
         !plan_.place->returns_pictures && !plan_.is_shared() && !options.skip_save &&
         options.skip_grid && !options.attn.draws() && !options.attn.saves() &&
         !options.save_latents;
}

std::optional<std::vector<std::filesystem::path>> PictureFiles::find_all() {
  if (!may_be_there()) return std::nullopt;
  records_.know_hashes(kept_);
  std::vector<std::filesystem::path> found;
  bool all = true;
  for_each_batch(plan_, [&](const Batch& batch) {
    for (std::size_t row = 0; all && row < batch.size * plan_.prompts.targets(); ++row) {
      const std::size_t target = row / batch.size, sample = row % batch.size;
      if (wants(plan_, batch, sample)) all = finds(records_.picture(batch, target, sample), found);
    }
  });
  return all ? std::optional(std::move(found)) : std::nullopt;
}

bool PictureFiles::finds(const PictureRecord& record,
                         std::vector<std::filesystem::path>& found) const {
  const auto settings = task_settings(record);
  const auto path = folder_.find_task_sample(task_fields(record), task_suffix(record), settings);
  if (!path) return false;
  found.push_back(*path);
  return !settings.source || folder_.has_source(*path, *settings.source);
}

NameFields PictureFiles::task_fields(const PictureRecord& record) const {
  auto fields = name_fields_of(records_.run_of(record), record);
  fields.number = *plan_.place->picture_number;
  return fields;
}

/// Tells the pictures of one task apart.
std::string PictureFiles::task_suffix(const PictureRecord& record) const {
  return plan_.pictures > 1 ? fmt::format("-{:03}", record.index) : std::string();
}

/// The first target of a swap has the source beside it.
TaskSettings PictureFiles::task_settings(const PictureRecord& record) const {
  TaskSettings settings{settings_of(records_.run_of(record), record)};
  if (!record.source || record.target != 0) return settings;
  auto source = record;
  source.is_source = true;
  source.prompt = *record.source;
  settings.source = settings_of(records_.run_of(source), source);
  return settings;
}

void PictureFiles::say_replaced() {
  for (const auto& path : folder_.take_replaced())
    words_.say(fmt::format("{}{} was empty or cut short, and is drawn again", plan_.label(),
                           path.string()));
}

}  // namespace sd::cli
