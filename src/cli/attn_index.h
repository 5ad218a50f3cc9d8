#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/attn_draw.h"
#include "cli/attn_folder.h"

namespace sd::cli {

/// What `index.json` says of a picture's maps. Minimum, maximum, mean and centroid are of the
/// word's map in maps.npy; area (a fraction) and IoU are of the masks.
nlohmann::ordered_json attn_index(const AttnPicture& picture, const PictureMaps& maps,
                                  const AttnCanvas& canvas, const std::vector<WordPictures>& drawn);

}  // namespace sd::cli
