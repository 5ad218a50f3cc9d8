#include "cli/record/output_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>

#include "cli/record/confined_paths.h"
#include "cli/record/journal_file.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/metadata.h"
#include "sd/image/whole.h"

namespace sd::cli {
namespace {

constexpr std::string_view kGridPrefix = "grid-";
constexpr std::size_t kGridDigits = 4;  // the original's f'grid-{grid_count:04}.png'
constexpr std::size_t kMaxDigits = 15;  // longer names are somebody's own
constexpr std::array kFormats = {FileFormat::kPng, FileFormat::kJpeg, FileFormat::kWebp};

/// The name of a picture's file without its ending; nothing for other files.
std::optional<std::string_view> stem_of(std::string_view name) {
  for (const auto format : kFormats) {
    const auto ending = file_ending(format);
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return std::nullopt;
}

std::optional<int64_t> number_in(std::string_view stem, std::string_view prefix,
                                 std::size_t digits) {
  if (!stem.starts_with(prefix) || stem.size() < prefix.size() + digits) return std::nullopt;
  const auto text = stem.substr(prefix.size());
  if (text.size() > kMaxDigits) return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

/// One more than the highest number that `number_of` finds in the stems of a folder's pictures.
int64_t next_after(const std::filesystem::path& folder,
                   const std::function<std::optional<int64_t>(std::string_view)>& number_of) {
  int64_t next = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error)) {
    const auto name = file->path().filename().string();
    const auto stem = stem_of(name);
    const auto number = stem ? number_of(*stem) : std::nullopt;
    if (number) next = std::max(next, *number + 1);
  }
  return next;
}

/// Writes to the first of `next_path`'s paths that is free, even if others write there too.
std::filesystem::path write_free(std::span<const std::byte> file,
                                 const std::function<std::filesystem::path()>& next_path) {
  std::error_code ignored;
  while (true) {
    const auto path = next_path();
    try {
      write_file(path, file);
      return path;
    } catch (const IoError&) {
      // Another process may have taken the name since it was looked at; any other trouble is real.
      if (!std::filesystem::exists(path, ignored)) throw;
    }
  }
}

/// Writes under the first free number from `next` on and leaves `next` behind it.
std::filesystem::path write_numbered(const std::filesystem::path& stem, std::string_view ending,
                                     int64_t& next, std::span<const std::byte> file) {
  return write_free(file, [&] {
    std::filesystem::path path;
    std::error_code ignored;
    do {
      path = fmt::format("{}{:0{}}{}", stem.string(), next++, kGridDigits, ending);
    } while (std::filesystem::exists(path, ignored));
    return path;
  });
}

/// One more than the highest number that lists being drawn here have taken, for pictures that may
/// not be there yet. A journal that cannot be read keeps nobody from drawing: what is there is
/// never overwritten anyway.
int64_t numbers_of_lists(const std::filesystem::path& outdir) {
  try {
    return reserved_numbers(read_journals(outdir).runs);
  } catch (const IoError&) {
    return 0;
  }
}

/// Whether texts say that their picture was drawn with `settings`, on whatever machine.
bool say_settings(const std::vector<PngText>& texts, nlohmann::ordered_json settings) {
  for (const auto& [key, text] : texts) {
    if (key != "sd") continue;
    auto found = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!found.is_object()) return false;
    for (auto* json : {&found, &settings}) {
      for (const char* machine :
           {"version", "device", "dtype", "weights", "exact_conv", "threads", "args"})
        json->erase(machine);
    }
    return found == settings;
  }
  return false;
}

/// Whether a picture that is whole, check sums included, says so of itself.
bool is_drawn_by(const std::filesystem::path& picture, const nlohmann::ordered_json& settings) {
  try {
    return say_settings(read_metadata(picture).texts, settings);
  } catch (const Error&) {
    return false;  // no picture at all
  }
}

/// The name, from the second attempt on with a suffix.
std::string numbered_again(const std::filesystem::path& name, int64_t attempt) {
  return attempt == 0 ? name.string()
                      : fmt::format("{}-{:0{}}", name.string(), attempt, kGridDigits);
}

}  // namespace

int64_t next_number(const std::filesystem::path& folder, std::string_view prefix,
                    std::size_t digits) {
  return next_after(folder, [&](std::string_view stem) { return number_in(stem, prefix, digits); });
}

OutputFolder::OutputFolder(std::filesystem::path outdir, FileFormat format, NameTemplate names,
                           bool confined)
    : outdir_(std::move(outdir)),
      samples_(outdir_ / "samples"),
      sources_(outdir_ / "source"),
      format_(format),
      names_(std::move(names)),
      confined_(confined) {
  make_writable_folder(outdir_);
  check_confined(samples_);
  make_writable_folder(samples_);
}

void OutputFolder::check_confined(const std::filesystem::path& path) const {
  if (confined_) require_confined(outdir_, path, "--confined");
}

/// Sources of swaps have their targets' names.
int64_t& OutputFolder::next_in(const std::filesystem::path& folder) {
  const auto found = next_.find(folder);
  if (found != next_.end()) return found->second;
  const auto number_of = [this](std::string_view stem) { return names_.number_in(stem); };
  check_confined(samples_ / folder);
  if (!folder.empty()) make_writable_folder(samples_ / folder);
  return next_[folder] =
             std::max({next_after(samples_ / folder, number_of),
                       next_after(sources_ / folder, number_of), numbers_of_lists(outdir_)});
}

/// The stem, not the file: maps and sources are named after it, whatever the ending. A source that
/// says `own_source` of itself, or was cut, takes nothing: the picture beside it is to be drawn
/// again.
bool OutputFolder::is_taken(const std::filesystem::path& name,
                            const nlohmann::ordered_json* own_source) const {
  std::error_code ignored;
  for (const auto format : kFormats) {
    const auto file = name.string() + std::string(file_ending(format));
    if (std::filesystem::exists(samples_ / file, ignored)) return true;
    const auto source = sources_ / file;
    if (!std::filesystem::exists(source, ignored)) continue;
    if (own_source == nullptr || file_ending(format) != ending()) return true;
    if (!may_be_cut(source) && !is_drawn_by(source, *own_source)) return true;
  }
  return false;
}

/// The template's name, its number the next one of the folder or a suffix from the second attempt
/// on.
std::filesystem::path OutputFolder::next_path(NameFields& fields, int64_t attempt) {
  auto name = names_.expand(fields);
  int64_t& next = next_in(name.parent_path());
  if (names_.has_number()) {
    fields.number = next++;
    name = names_.expand(fields);
  } else if (attempt > 0) {
    name += fmt::format("-{:0{}}", attempt, kGridDigits);
  }
  return name;
}

std::filesystem::path OutputFolder::write_sample(std::span<const std::byte> file,
                                                 NameFields fields) {
  int64_t attempt = 0;
  return write_free(file, [&] {
    std::filesystem::path name;
    do {
      name = next_path(fields, attempt++);
    } while (is_taken(name));
    return samples_ / (name.string() + std::string(ending()));
  });
}

/// A picture that was cut short is replaced where it is known to be this one: by what it says of
/// itself, or since its bytes are this one's as far as they go.
bool OutputFolder::replace_remainder(const std::filesystem::path& path,
                                     std::span<const std::byte> file,
                                     const nlohmann::ordered_json& settings) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(path, ignored)))
    return false;
  const bool cut = !ends_as_picture(path) && say_settings(leading_texts(path), settings);
  if (!cut && !is_remainder_of(path, file)) return false;
  write_file(path, file, /*overwrite=*/true);
  replaced_.push_back(path);
  return true;
}

bool OutputFolder::has_source(const std::filesystem::path& sample,
                              const nlohmann::ordered_json& settings) const {
  const auto path = sources_ / sample.lexically_relative(samples_);
  return ends_as_picture(path) && is_drawn_by(path, settings);
}

std::filesystem::path OutputFolder::write_source(std::span<const std::byte> file,
                                                 const std::filesystem::path& sample,
                                                 const nlohmann::ordered_json* settings) {
  auto path = sources_ / sample.lexically_relative(samples_);
  check_confined(path.parent_path());
  make_writable_folder(path.parent_path());
  const bool kept = settings != nullptr &&
                    (has_source(sample, *settings) || replace_remainder(path, file, *settings));
  if (!kept) write_file(path, file);
  return path;
}

std::optional<std::filesystem::path> OutputFolder::find_task_sample(
    const NameFields& fields, const std::string& suffix, const TaskSettings& settings) const {
  auto name = names_.expand(fields);
  if (names_.is_number_alone()) name += suffix;
  for (int64_t attempt = 0;; ++attempt) {
    const auto stem = numbered_again(name, attempt);
    if (!is_taken(stem)) return std::nullopt;
    const auto path = samples_ / (stem + std::string(ending()));
    if (ends_as_picture(path) && is_drawn_by(path, settings.sample)) return path;
  }
}

std::filesystem::path OutputFolder::write_task_sample(std::span<const std::byte> file,
                                                      const NameFields& fields,
                                                      const std::string& suffix,
                                                      const TaskSettings& settings) {
  auto name = names_.expand(fields);
  check_confined((samples_ / name).parent_path());
  if (const auto kept = find_task_sample(fields, suffix, settings)) return *kept;
  if (names_.is_number_alone()) name += suffix;
  make_writable_folder((samples_ / name).parent_path());
  const auto* source = settings.source ? &*settings.source : nullptr;
  for (int64_t attempt = 0;; ++attempt) {
    const auto stem = numbered_again(name, attempt);
    const auto path = samples_ / (stem + std::string(ending()));
    if (!is_taken(stem, source)) {
      write_file(path, file);
      return path;
    }
    if (replace_remainder(path, file, settings.sample)) return path;
  }
}

std::filesystem::path OutputFolder::write_named(std::span<const std::byte> file,
                                                const std::string& name, std::string_view suffix,
                                                std::optional<FileFormat> instead) {
  const auto stem = (outdir_ / fmt::format("{}{}", name, suffix)).string();
  const auto first = stem + std::string(ending(instead));
  std::error_code ignored;
  if (!std::filesystem::exists(first, ignored)) {
    write_file(first, file);
    return first;
  }
  int64_t next = 1;
  return write_numbered(stem + "-", ending(instead), next, file);
}

std::filesystem::path OutputFolder::write_sheet(std::span<const std::byte> file,
                                                std::optional<FileFormat> instead) {
  int64_t next = next_number(outdir_, "sheet-", kGridDigits);
  return write_numbered(outdir_ / "sheet-", ending(instead), next, file);
}

std::filesystem::path OutputFolder::write_grid(std::span<const std::byte> file,
                                               std::optional<FileFormat> instead) {
  if (!next_grid_) next_grid_ = next_number(outdir_, kGridPrefix, kGridDigits);
  return write_numbered(outdir_ / kGridPrefix, ending(instead), *next_grid_, file);
}

}  // namespace sd::cli
