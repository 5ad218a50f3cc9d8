#include "cli/maps/attn_drawings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/png.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxDrawings = 100'000;
constexpr std::size_t kMaxDigits = 9;
constexpr std::string_view kEnding = ".png";

/// Takes `word` and the number behind it off the front of `text`.
bool take(std::string_view& text, std::string_view word, int64_t& number) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits > kMaxDigits) return false;
  std::from_chars(text.data(), text.data() + digits, number);
  text.remove_prefix(digits);
  return true;
}

}  // namespace

std::string drawing_stem(const DrawingName& name) {
  const auto what = name.sample ? fmt::format("attmap{}", *name.sample) : "bundle_attmap";
  return fmt::format("{}_tokidx:{}_res{:03}_lev:{}_{}_tstep:{}_{}", what, name.token,
                     name.resolution, name.first_level, name.last_level, name.first_time,
                     name.last_time);
}

std::optional<Drawing> parse_drawing(const fs::path& path) {
  const auto file = path.filename().string();
  std::string_view rest = file;
  if (!rest.ends_with(kEnding)) return std::nullopt;
  rest.remove_suffix(kEnding.size());
  Drawing drawing;
  drawing.path = path;
  auto& name = drawing.name;
  constexpr std::string_view kBundle = "bundle_attmap";
  if (rest.starts_with(kBundle)) {
    rest.remove_prefix(kBundle.size());
  } else if (!take(rest, "attmap", name.sample.emplace())) {
    return std::nullopt;
  }
  const std::array<std::pair<std::string_view, int64_t*>, 6> parts = {{
      {"_tokidx:", &name.token},
      {"_res", &name.resolution},
      {"_lev:", &name.first_level},
      {"_", &name.last_level},
      {"_tstep:", &name.first_time},
      {"_", &name.last_time},
  }};
  for (const auto& [word, number] : parts) {
    if (!take(rest, word, *number)) return std::nullopt;
  }
  if (!rest.empty() && !(take(rest, "-", drawing.copy) && rest.empty())) return std::nullopt;
  return drawing;
}

std::vector<Drawing> list_drawings(const fs::path& dir) {
  std::map<DrawingName, Drawing> newest;
  std::error_code error;
  for (fs::directory_iterator entry(dir, error), end; !error && entry != end;
       entry.increment(error)) {
    auto drawing = parse_drawing(entry->path());
    if (!drawing) continue;
    const auto [known, added] = newest.try_emplace(drawing->name, *drawing);
    if (!added && drawing->copy > known->second.copy) known->second = std::move(*drawing);
    if (newest.size() > kMaxDrawings) {
      throw IoError(fmt::format("{}: more than {} drawings", dir.string(), kMaxDrawings));
    }
  }
  std::vector<Drawing> drawings;
  for (auto& [name, drawing] : newest) drawings.push_back(std::move(drawing));
  return drawings;
}

fs::path write_drawing(const fs::path& folder, const std::string& stem, const Image& image) {
  const auto png = encode_png(image);
  for (int64_t copy = 0;; ++copy) {
    const auto suffix = copy == 0 ? std::string() : fmt::format("-{:04}", copy);
    const auto path = folder / fmt::format("{}{}{}", stem, suffix, kEnding);
    std::error_code ignored;
    if (fs::exists(path, ignored)) continue;
    try {
      write_file(path, png);
      return path;
    } catch (const IoError&) {
      if (!fs::exists(path, ignored)) throw;  // else another process took the name
    }
  }
}

}  // namespace sd::cli
