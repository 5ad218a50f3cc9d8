#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/maps/attn_draw.h"
#include "cli/maps/attn_folder.h"

namespace sd::cli {

/// One picture's maps and what was drawn of them.
struct DrawnMaps {
  const AttnPicture& picture;
  const PictureMaps& maps;
  const AttnCanvas& canvas;
  const std::vector<WordPictures>& drawn;
  const Tokenizer& tokenizer;
};

/// What `index.json` says of a picture's maps. Minimum, maximum, mean and centroid are of the
/// word's map in maps.npy; area (a fraction) and IoU are of the masks.
nlohmann::ordered_json attn_index(const DrawnMaps& drawn_maps);

}  // namespace sd::cli
