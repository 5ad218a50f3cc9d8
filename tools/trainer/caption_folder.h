#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sd::train {

/// A picture to train on, and what it shows in words.
struct CaptionedPicture {
  std::filesystem::path path;
  std::string caption;
};

/// What the lines of a metadata.jsonl say, as Hugging Face's imagefolder has it:
/// {"file_name": "cat.png", "text": "a cat"}. Gives names of files with their captions, in its
/// order. Throws UsageError naming `label` and line: no JSON, no such texts, a name that leads out
/// of the folder or that was given before.
std::vector<std::pair<std::string, std::string>> parse_caption_lines(std::string_view lines,
                                                                     const std::string& label);

/// The pictures of a folder with their captions. Where there is a metadata.jsonl, they are those
/// that it names; else all PNG, JPEG, WebP, BMP, GIF, TGA, PSD and PNM files in it by their names,
/// with the text of NAME.txt (kohya's way; its first line). `fallback` stands for a caption that is
/// not there. Throws IoError for a folder or picture that is not there, UsageError where there is
/// no picture, or one without a caption.
std::vector<CaptionedPicture> read_caption_folder(const std::filesystem::path& folder,
                                                  const std::optional<std::string>& fallback);

}  // namespace sd::train
