// What a C caller asks of a drawing.
#include <fmt/format.h>

#include <algorithm>

#include "capi/call.h"
#include "capi/handles.h"
#include "sd/image/write.h"
#include "sd/pipeline/word_maps.h"

namespace sd::capi {
namespace {

void require_picture(const sd_drawing* drawing, std::size_t index) {
  require(drawing, "drawing");
  if (index < drawing->pictures.size()) return;
  throw UsageError(fmt::format("there is no picture {}: the drawing has {}, counted from 0", index,
                               drawing->pictures.size()));
}

void copy_map(const sd_drawing& drawing, std::size_t index, const char* word, float* map,
              std::size_t floats) {
  require(map, "map");
  if (drawing.maps.empty()) {
    throw UsageError("no maps were kept: set sd_draw_options.maps before drawing");
  }
  const auto found = word_map(drawing.maps[index], drawing.prompts[index], text_of(word, "word"),
                              *drawing.tokenizer);
  if (floats < found.values.size()) {
    throw UsageError(fmt::format("map has room for {} floats, and {} x {} are needed", floats,
                                 found.height, found.width));
  }
  std::ranges::copy(found.values, map);
}

int64_t map_side(const sd_drawing* drawing, int64_t dimension) {
  return drawing == nullptr || drawing->maps.empty() ? 0 : drawing->maps.front().size(dimension);
}

}  // namespace
}  // namespace sd::capi

extern "C" void sd_drawing_free(sd_drawing* drawing) { delete drawing; }

extern "C" size_t sd_drawing_count(const sd_drawing* drawing) {
  return drawing == nullptr ? 0 : drawing->pictures.size();
}

extern "C" int64_t sd_drawing_width(const sd_drawing* drawing) {
  return drawing == nullptr ? 0 : drawing->pictures.front().width;
}

extern "C" int64_t sd_drawing_height(const sd_drawing* drawing) {
  return drawing == nullptr ? 0 : drawing->pictures.front().height;
}

extern "C" const uint8_t* sd_drawing_rgb(const sd_drawing* drawing, size_t index) {
  const int code = sd::capi::call([&] { sd::capi::require_picture(drawing, index); });
  return code == SD_OK ? drawing->pictures[index].pixels.data() : nullptr;
}

extern "C" int sd_drawing_write(const sd_drawing* drawing, size_t index, const char* path) {
  return sd::capi::call([&] {
    sd::capi::require_picture(drawing, index);
    sd::write_picture(sd::capi::text_of(path, "path"), drawing->pictures[index]);
  });
}

extern "C" int64_t sd_drawing_map_width(const sd_drawing* drawing) {
  return sd::capi::map_side(drawing, 2);
}

extern "C" int64_t sd_drawing_map_height(const sd_drawing* drawing) {
  return sd::capi::map_side(drawing, 1);
}

extern "C" int sd_drawing_word_map(const sd_drawing* drawing, size_t index, const char* word,
                                   float* map, size_t floats) {
  return sd::capi::call([&] {
    sd::capi::require_picture(drawing, index);
    sd::capi::copy_map(*drawing, index, word, map, floats);
  });
}
