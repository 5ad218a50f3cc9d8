#include "sd/image/metadata.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "image/decoders.h"
#include "image/exif_block.h"
#include "image/named_file.h"
#include "image/png_chunks.h"
#include "sd/core/error.h"

namespace sd {
namespace {

void take_size(PictureMetadata& metadata, PictureSize size, int orientation) {
  check_size(metadata.format, size);
  if (swaps_sides(orientation)) std::swap(size.width, size.height);
  metadata.width = size.width;
  metadata.height = size.height;
}

/// Chunks of ComfyUI, which has them as `prompt:{…}` in the maker's fields where there are no text
/// chunks.
void take_graph(const std::string& text, PictureMetadata& metadata) {
  for (const std::string_view keyword : {"prompt", "workflow"}) {
    const auto size = keyword.size();
    const bool named = text.size() > size + 1 && text[size] == ':' && text[size + 1] == '{' &&
                       std::equal(keyword.begin(), keyword.end(), text.begin(),
                                  [](char a, char b) { return a == (b | 0x20); });
    if (named) metadata.texts.push_back({std::string(keyword), text.substr(size + 1)});
  }
}

/// What EXIF says in words: the infotext, our settings or another description, ComfyUI's graphs.
void take_exif_texts(ByteSpan exif, PictureMetadata& metadata) {
  auto comment = exif_user_comment(exif);
  if (!metadata.parameters) metadata.parameters = std::move(comment);
  for (const auto tag : {kMakeTag, kModelTag}) {
    if (const auto text = exif_text(exif, tag)) take_graph(*text, metadata);
  }
  auto description = exif_text(exif, kImageDescriptionTag);
  if (!description) return;
  if (description->starts_with(kSettingsMark)) {
    metadata.texts.push_back(
        {std::string(kSettingsKeyword), description->substr(kSettingsMark.size())});
  } else {
    take_graph(*description, metadata);
    metadata.texts.push_back({"ImageDescription", std::move(*description)});
  }
}

void describe_png(ByteSpan file, PictureMetadata& metadata) {
  PictureSize size;
  ByteSpan exif;
  std::size_t budget = kPngTextBudget;
  for_each_png_chunk(file, [&](const PngChunk& chunk) {
    if (chunk.type == "IHDR") size = png_size(chunk);
    if (chunk.type == "eXIf") exif = without_exif_name(chunk.body);
    if (is_png_text(chunk)) metadata.texts.push_back(parse_png_text(chunk, budget));
  });
  take_size(metadata, size, exif_orientation(exif));
  for (const auto& text : metadata.texts) {
    if (text.keyword == "parameters" && !metadata.parameters) metadata.parameters = text.text;
  }
  take_exif_texts(exif, metadata);
}

void describe_jpeg(ByteSpan file, PictureMetadata& metadata) {
  const auto header = read_jpeg_header(file);
  if (!header) throw IoError("JPEG is damaged or cut short: its segments do not reach the picture");
  take_size(metadata, {header->width, header->height}, exif_orientation(header->exif));
  take_exif_texts(header->exif, metadata);
}

void describe_webp(ByteSpan file, PictureMetadata& metadata) {
  const auto exif = webp_exif(file);
  take_size(metadata, webp_size(file), exif_orientation(exif));
  take_exif_texts(exif, metadata);
}

}  // namespace

PictureMetadata parse_metadata(ByteSpan file) {
  const auto format = require_picture(file);
  PictureMetadata metadata;
  metadata.format = format_name(format);
  switch (format) {
    case PictureFormat::kPng:
      describe_png(file, metadata);
      break;
    case PictureFormat::kJpeg:
      describe_jpeg(file, metadata);
      break;
    case PictureFormat::kWebp:
      describe_webp(file, metadata);
      break;
    case PictureFormat::kPnm:
      take_size(metadata, pnm_size(file), 1);
      break;
    default:
      take_size(metadata, size_by_stb(file, format), 1);
      break;
  }
  return metadata;
}

PictureMetadata read_metadata(const std::filesystem::path& path) {
  return read_named(path, parse_metadata);
}

}  // namespace sd
