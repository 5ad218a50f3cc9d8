#pragma once

#include <cstdint>
#include <filesystem>

#include "trainer/scene.h"
#include "trainer/scene_style.h"

namespace sd::train {

/// Writes scenes 0 to n-1 of `seed` into `folder` (made if absent): 00000.png, a grey
/// 00000.mask0.png for each object, and scenes.jsonl with one line for each scene: picture,
/// caption, words (role, object, bytes, text), objects (kind, tint, box as left, top, side, mask),
/// background, gradient, place; and metadata.jsonl, pictures with captions alone, as
/// read_caption_folder takes it. Files of that name are replaced. With another background, scenes
/// whose captions do not speak of it are passed over. Throws IoError.
void write_scenes(const SceneGenerator& generator, const std::filesystem::path& folder, int64_t n,
                  uint64_t seed, Split split, const SceneChange& change = {});

}  // namespace sd::train
