#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sd/image/infotext.h"
#include "sd/image/metadata.h"

namespace sd {

/// How another program says that it made a picture, in the words of AUTOMATIC1111's infotext. What
/// has no word there stands under the program's own.
struct ForeignRecipe {
  std::string program;             // "ComfyUI", "NovelAI", …
  Infotext info;                   // without prompts and settings: none that can be read
  std::vector<std::string> notes;  // what was not read
};

/// Reads what programs write that do not write an infotext: ComfyUI's graphs, InvokeAI's,
/// NovelAI's, Easy Diffusion's texts, and JSON as `parameters` or UserComment (Fooocus, SwarmUI,
/// Draw Things, others). Nothing if the picture has none of these. Hostile input is safe.
std::optional<ForeignRecipe> foreign_recipe(const PictureMetadata& metadata);

}  // namespace sd
