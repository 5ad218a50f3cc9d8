#include "sd/image/metadata.h"

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

void describe_png(ByteSpan file, PictureMetadata& metadata) {
  PictureSize size;
  int orientation = 1;
  std::size_t budget = kPngTextBudget;
  for_each_png_chunk(file, [&](const PngChunk& chunk) {
    if (chunk.type == "IHDR") size = png_size(chunk);
    if (chunk.type == "eXIf") orientation = exif_orientation(chunk.body);
    if (is_png_text(chunk)) metadata.texts.push_back(parse_png_text(chunk, budget));
  });
  take_size(metadata, size, orientation);
  for (const auto& text : metadata.texts) {
    if (text.keyword == "parameters" && !metadata.parameters) metadata.parameters = text.text;
  }
}

/// What EXIF says in words: the infotext, and our settings or another description.
void take_exif_texts(ByteSpan exif, PictureMetadata& metadata) {
  metadata.parameters = exif_user_comment(exif);
  auto description = exif_description(exif);
  if (!description) return;
  if (description->starts_with(kSettingsMark)) {
    metadata.texts.push_back(
        {std::string(kSettingsKeyword), description->substr(kSettingsMark.size())});
  } else {
    metadata.texts.push_back({"ImageDescription", std::move(*description)});
  }
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
