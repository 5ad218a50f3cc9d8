#include "cli/output_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/metadata.h"

namespace sd::cli {
namespace {

constexpr std::string_view kSuffix = ".png";
constexpr std::string_view kGridPrefix = "grid-";
constexpr std::size_t kSampleDigits = 5;  // the original's f"{base_count:05}.png"
constexpr std::size_t kGridDigits = 4;    // and f'grid-{grid_count:04}.png'
constexpr std::size_t kMaxDigits = 15;    // longer names are somebody's own

std::optional<int64_t> number_in(std::string_view name, std::string_view prefix,
                                 std::size_t digits) {
  if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) return std::nullopt;
  if (name.size() < prefix.size() + kSuffix.size() + digits) return std::nullopt;
  const auto middle = name.substr(prefix.size(), name.size() - prefix.size() - kSuffix.size());
  if (middle.size() > kMaxDigits) return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(middle.data(), middle.data() + middle.size(), number);
  if (error != std::errc() || end != middle.data() + middle.size() || number < 0)
    return std::nullopt;
  return number;
}

std::filesystem::path numbered(const std::filesystem::path& folder, std::string_view prefix,
                               std::size_t digits, int64_t number) {
  return folder / fmt::format("{}{:0{}}{}", prefix, number, digits, kSuffix);
}

/// Writes under the first free number from `next` on and leaves `next` behind it.
std::filesystem::path write_numbered(const std::filesystem::path& folder, std::string_view prefix,
                                     std::size_t digits, int64_t& next,
                                     std::span<const std::byte> png) {
  std::error_code ignored;
  while (true) {
    const auto path = numbered(folder, prefix, digits, next++);
    if (std::filesystem::exists(path, ignored)) continue;
    try {
      write_file(path, png);
      return path;
    } catch (const IoError&) {
      // Another process may have taken the name since it was looked at; any other trouble is real.
      if (!std::filesystem::exists(path, ignored)) throw;
    }
  }
}

/// Whether a picture says of itself that it was drawn with `settings`, on whatever machine.
bool is_drawn_by(const std::filesystem::path& picture, nlohmann::ordered_json settings) {
  for (const auto& [key, text] : read_metadata(picture).texts) {
    if (key != "sd") continue;
    auto found = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!found.is_object()) return false;
    for (auto* json : {&found, &settings}) {
      for (const char* machine : {"version", "device", "dtype", "threads"}) json->erase(machine);
    }
    return found == settings;
  }
  return false;
}

}  // namespace

int64_t next_number(const std::filesystem::path& folder, std::string_view prefix,
                    std::size_t digits) {
  int64_t next = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error)) {
    const auto number = number_in(file->path().filename().string(), prefix, digits);
    if (number) next = std::max(next, *number + 1);
  }
  return next;
}

OutputFolder::OutputFolder(std::filesystem::path outdir)
    : outdir_(std::move(outdir)), samples_(outdir_ / "samples") {
  make_writable_folder(outdir_);
  make_writable_folder(samples_);
}

std::filesystem::path OutputFolder::write_sample(std::span<const std::byte> png) {
  if (!next_sample_) {
    // Sources of swaps have their targets' numbers.
    next_sample_ = std::max(next_number(samples_, "", kSampleDigits),
                            next_number(outdir_ / "source", "", kSampleDigits));
  }
  return write_numbered(samples_, "", kSampleDigits, *next_sample_, png);
}

std::filesystem::path OutputFolder::write_source(std::span<const std::byte> png,
                                                 const std::filesystem::path& sample) {
  const auto folder = outdir_ / "source";
  make_writable_folder(folder);
  auto path = folder / sample.filename();
  write_file(path, png);
  return path;
}

std::filesystem::path OutputFolder::write_task_sample(std::span<const std::byte> png,
                                                      const std::string& name,
                                                      const nlohmann::ordered_json& settings) {
  const auto path = samples_ / (name + std::string(kSuffix));
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    write_file(path, png);
    return path;
  }
  if (is_drawn_by(path, settings)) return path;
  throw IoError(fmt::format(
      "{} is there already and is not this task's picture\nNothing is overwritten: move it away, or "
      "give another --outdir.",
      path.string()));
}

std::filesystem::path OutputFolder::write_named(std::span<const std::byte> png,
                                                const std::string& name, std::string_view suffix) {
  const auto path = outdir_ / fmt::format("{}{}{}", name, suffix, kSuffix);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    write_file(path, png);
    return path;
  }
  int64_t next = 1;
  return write_numbered(outdir_, fmt::format("{}{}-", name, suffix), kGridDigits, next, png);
}

std::filesystem::path OutputFolder::write_sheet(std::span<const std::byte> png) {
  int64_t next = next_number(outdir_, "sheet-", kGridDigits);
  return write_numbered(outdir_, "sheet-", kGridDigits, next, png);
}

std::filesystem::path OutputFolder::write_grid(std::span<const std::byte> png) {
  if (!next_grid_) next_grid_ = next_number(outdir_, kGridPrefix, kGridDigits);
  return write_numbered(outdir_, kGridPrefix, kGridDigits, *next_grid_, png);
}

}  // namespace sd::cli
