#pragma once

#include <cstdint>
#include <vector>

#include "trainer/scene.h"

namespace sd::train {

/// Prompt `i` of every evaluation: a scene that training never saw as a whole (held_out, not
/// clashing), said in full in the first phrasing ("a blue cat on a yellow background"). Two in five
/// have two objects, none comes more than three times while there are others. `kinds`: the only
/// ones that may occur (names in object_kinds() that the model knows); empty means all.
std::vector<SceneSpec> evaluation_prompts(const SceneGenerator& scenes, int64_t n,
                                          const std::vector<int>& kinds = {});

/// A pair of prompts for editing: one object of a kind on a background, and the same with another
/// kind; tint and background are kept. Both are free of clashes; the source is held_out.
struct SwapPair {
  SceneSpec source, target;
};

std::vector<SwapPair> swap_pairs(const SceneGenerator& scenes, int64_t n,
                                 const std::vector<int>& kinds = {});

}  // namespace sd::train
