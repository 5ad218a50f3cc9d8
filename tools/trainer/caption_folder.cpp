#include "trainer/caption_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "sd/core/error.h"

namespace sd::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kList = "metadata.jsonl";
constexpr std::array<std::string_view, 12> kPictures = {".png", ".jpg", ".jpeg", ".webp",
                                                        ".bmp", ".gif", ".tga",  ".psd",
                                                        ".pnm", ".ppm", ".pgm",  ".jfif"};

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    // Nothing comes out of an empty file either.
    std::error_code error;
    if (!file.is_open() || fs::file_size(path, error) > 0 || error)
      throw IoError(fmt::format("{}: cannot be read", path.string()));
  }
  return std::move(text).str();
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) + 1 - first));
}

bool leads_out(const fs::path& name) {
  return name.is_absolute() || name.empty() ||
         std::any_of(name.begin(), name.end(), [](const fs::path& part) { return part == ".."; });
}

std::pair<std::string, std::string> parse_line(std::string_view line, const std::string& where) {
  const auto found = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!found.is_object()) {
    throw UsageError(fmt::format(
        "{}: expected an object such as {{\"file_name\": \"a.png\", \"text\": \"a cat\"}}", where));
  }
  const auto text_of = [&](const char* key) {
    const auto item = found.find(key);
    if (item == found.end() || !item->is_string())
      throw UsageError(fmt::format("{}: expected a text \"{}\"", where, key));
    return item->get<std::string>();
  };
  auto name = text_of("file_name");
  if (leads_out(name) || name.find('\0') != name.npos) {
    throw UsageError(fmt::format("{}: \"file_name\" must name a file below the folder, found '{}'",
                                 where, name));
  }
  auto caption = found.contains("text") ? trimmed(text_of("text")) : std::string();
  return {std::move(name), std::move(caption)};
}

bool is_picture(const fs::directory_entry& entry) {
  std::error_code ignored;
  auto extension = entry.path().extension().string();
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return std::ranges::find(kPictures, extension) != kPictures.end() &&
         entry.is_regular_file(ignored);
}

std::vector<CaptionedPicture> listed(const fs::path& folder) {
  std::vector<CaptionedPicture> pictures;
  const auto list = folder / kList;
  for (auto& [name, caption] : parse_caption_lines(read_text(list), list.string())) {
    std::error_code ignored;
    const auto path = folder / name;
    if (!fs::is_regular_file(path, ignored)) {
      throw IoError(
          fmt::format("{}: names {}, which is no file there", list.string(), path.string()));
    }
    pictures.push_back({path, std::move(caption)});
  }
  return pictures;
}

std::vector<CaptionedPicture> found_in(const fs::path& folder) {
  std::error_code error;
  std::vector<CaptionedPicture> pictures;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (is_picture(entry)) pictures.push_back({entry.path(), {}});
  }
  if (error) throw IoError(fmt::format("{}: {}", folder.string(), error.message()));
  std::ranges::sort(pictures, {}, &CaptionedPicture::path);
  for (auto& picture : pictures) {
    auto text = picture.path;
    text.replace_extension(".txt");
    if (!fs::exists(text, error)) continue;
    const auto whole = trimmed(read_text(text));
    picture.caption = trimmed(whole.substr(0, whole.find('\n')));
  }
  return pictures;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_caption_lines(std::string_view lines,
                                                                     const std::string& label) {
  std::vector<std::pair<std::string, std::string>> captions;
  std::set<std::string> names;
  int64_t number = 0;
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const auto line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    ++number;
    if (trimmed(line).empty()) continue;
    const auto where = fmt::format("{}, line {}", label, number);
    captions.push_back(parse_line(line, where));
    if (!names.insert(captions.back().first).second)
      throw UsageError(fmt::format("{}: '{}' was named before", where, captions.back().first));
  }
  return captions;
}

std::vector<CaptionedPicture> read_caption_folder(const fs::path& folder,
                                                  const std::optional<std::string>& fallback) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    throw IoError(fmt::format("{}: expected a folder of pictures, found {}", folder.string(),
                              fs::exists(folder, error) ? "something else" : "nothing"));
  }
  const bool has_list = fs::exists(folder / kList, error);
  auto pictures = has_list ? listed(folder) : found_in(folder);
  if (pictures.empty()) {
    throw UsageError(
        fmt::format("{}: there are no pictures\nPut some there, each with its caption "
                    "in NAME.txt or all captions in {}.",
                    folder.string(), kList));
  }
  for (auto& picture : pictures) {
    if (!picture.caption.empty()) continue;
    if (!fallback) {
      throw UsageError(
          fmt::format("{}: has no caption\nWrite it to {}, or give --caption TEXT for "
                      "all pictures that have none.",
                      picture.path.string(),
                      has_list ? (folder / kList).string()
                               : fs::path(picture.path).replace_extension(".txt").string()));
    }
    picture.caption = *fallback;
  }
  return pictures;
}

}  // namespace sd::train
